"""Files and sites that the tests of kag.data share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent)
)  # importlib mode keeps test folders, and so malformed_files, off the path

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.synth import synthesise


@pytest.fixture(scope="session")
def synthetic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synth") / "synth.h5"
    synthesise(path)
    return path


@pytest.fixture(scope="session")
def synthetic_sites(synthetic_file: Path) -> Sites:
    return read_sites(synthetic_file)


@pytest.fixture(scope="session")
def real_file() -> Path:
    path = Path(os.environ.get("KAG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "sites_v3.h5"
    if not path.exists():
        pytest.skip(f"no real data at {path}; set KAG_DATA")
    return path
