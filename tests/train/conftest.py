"""A tiny run with every technique switched on: an epoch takes a fraction of a second."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.spec import RunSpec, build_spec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.october import october

TINY = october(
    {
        "name": "tiny",
        "seed": 3,
        "epochs": 4,
        "data": {"batch_size": 256},
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
)

Train = Callable[..., RunRecord]
MakeSpec = Callable[..., RunSpec]
Trained = Callable[[RunSpec], RunFolder]


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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The run of a spec that nothing has disturbed, to be read, or copied with `placed`; each spec is trained once.

    It is trained when it is first asked for: that has to be before a test changes how runs are trained, but for the
    kind of device.
    """
    folder, known = tmp_path_factory.mktemp("trained"), dict[tuple[str, bool], RunFolder]()

    def find(spec: RunSpec) -> RunFolder:
        key = (spec.model_dump_json(), torch.cuda.is_available())
        if key not in known:
            runs = folder / str(len(known))
            known[key] = RunFolder(runs / fit(spec, runs=runs, console=RunConsole(quiet=True)).id)
        return known[key]

    return find


def placed(folder: RunFolder, runs: Path) -> RunFolder:
    """A copy of a run in another folder of runs, to go on with."""
    return RunFolder(shutil.copytree(folder.path, runs / folder.id))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
