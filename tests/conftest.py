"""Fixtures that all tests share: small synthetic data, the real file where it is present, quiet W&B."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes depends on the machine, so no test depends on it.
hypothesis.settings.register_profile("kag", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("kag")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def synthetic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A learnable file of 12 proteins, 16-wide embeddings."""
    from kag.data.synth import synthesise

    path = tmp_path_factory.mktemp("synthetic") / "synthetic.h5"
    synthesise(path, proteins=12, points_per_protein=60, embedding=16)
    return path


@pytest.fixture(scope="session")
def real_file() -> Path:
    """`sites_v3.h5`: 262 real chains."""
    folder = Path(os.environ.get("KAG_DATA", ROOT / ".." / "shared" / "data"))
    path = (folder if folder.is_absolute() else ROOT / folder) / "sites_v3.h5"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set KAG_DATA to the folder that holds sites_v3.h5")
    return path.resolve()


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of five real runs that stand on one another, with W&B's offline files."""
    from tests.changelog.real_chain import make_chain

    return make_chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(autouse=True)
def _no_wandb_account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing of the person who runs the tests reaches W&B, and W&B leaves nothing behind."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(home))
    monkeypatch.setenv("WANDB_DATA_DIR", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
