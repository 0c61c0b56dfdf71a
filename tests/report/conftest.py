"""Runs that the code itself made, tiny ones: a plain one, and a search over start and window of weight averaging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kag.spec import build_spec
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.browser import Browser, chromium
from tests.train.conftest import TINY

SWEEP = "5wa5wa5w"
POINTS = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Start and window of the trials."""


@pytest.fixture(scope="session")
def real_runs(synthetic_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a plain run and of the trials of a sweep, whose parent it is."""
    runs = tmp_path_factory.mktemp("report") / "runs"
    spec = build_spec(TINY, {"data.file": str(synthetic_file), "epochs": 4, "name": "plain"})
    plain = fit(spec, runs=runs, console=RunConsole(quiet=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_SWEEP_ID", SWEEP)
        for start, window in POINTS:
            changes = {"swa.start": start, "swa.window": window, "parent": plain.id, "name": f"swa-{start}-{window}"}
            trial = build_spec(spec.model_dump(mode="json"), changes)
            fit(trial, runs=runs, console=RunConsole(quiet=True))
    return runs


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found
