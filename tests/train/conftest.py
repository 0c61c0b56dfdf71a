"""A tiny run with every technique switched on: an epoch takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.spec import RunSpec, build_spec
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.fit import fit

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "epochs": 4,
    "data": {"batch_size": 128},
    "model": {
        "hidden": [16, 8],
        "dropout": 0.1,
        "periodic": {"frequencies": 3, "sigma": 0.3, "width": 2},
        "attention": {"heads": 2, "layers": 1, "width": 8, "feedforward": 12, "dropout": 0.1},
        "gate": {
            "penalty": {"weight": {"epochs": 3}},
            "dropout": {"rate": {"epochs": 3}},
            "context_scale": {"epochs": 3},
        },
        "auxiliary": {"weight": {"epochs": 3}},
    },
    "optimizer": {"lr": 1e-3, "schedule": {"max_lr": 4e-3}},
    "track": {"mode": "disabled"},
}

Train = Callable[..., RunRecord]
MakeSpec = Callable[..., RunSpec]


@pytest.fixture(scope="session")
def sites(synthetic_file: Path) -> Sites:
    return read_sites(synthetic_file)


@pytest.fixture(scope="session")
def make_spec(synthetic_file: Path) -> MakeSpec:
    """A tiny spec with dotted overrides: `make_spec(epochs=3, **{"swa.start": 1})`."""

    def make(**overrides: Any) -> RunSpec:
        return build_spec(TINY, {"data.file": str(synthetic_file), **overrides})

    return make


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Train a spec into `tmp_path/runs`."""

    def run(spec: RunSpec, **options: Any) -> RunRecord:
        return fit(spec, **{"runs": tmp_path / "runs", "console": RunConsole(quiet=True), **options})

    return run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
