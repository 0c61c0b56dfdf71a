"""`kill -9` of one of two processes that share prefixes: the other finishes, no state is broken, no result changes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from kag.track.folders import FolderSource
from kag.track.record import RunRecord
from kag.weights.checkpoint import read_checkpoint
from tests import warm
from tests.conftest import ROOT

MOMENTS = range(1, 11) if "KAG_ALL_KILLS" in os.environ else (1, 7)
"""Steps after which the first process is killed; `make kills` tries them all."""


def by_window(folder: Path) -> dict[tuple[object, object], RunRecord]:
    found = [record for record in FolderSource(folder).records() if record.status.done]
    return {(record.config["swa.start"], record.config["swa.window"]): record for record in found}


@pytest.mark.slow(20, "of two runs that share epochs either may be killed")
def test_killing_one_of_two_changes_nothing(synthetic_file: Path, tmp_path: Path) -> None:
    driver = [sys.executable, "-m", "tests.forks.sharing_driver"]
    command = [*driver, str(synthetic_file), str(tmp_path), *map(str, MOMENTS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = warm.run(command, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    rounds = json.loads(done.stdout.splitlines()[-1])
    alone = by_window(tmp_path / "alone")
    assert len(alone) == 4
    assert [found["ends"][0] for found in rounds].count(-9) >= len(MOMENTS) // 2, "most kills must hit a living process"
    for number, found in enumerate(rounds):
        assert found["ends"][1] == 0, "the other process finishes"
        assert found["again"] == 0
        folder = tmp_path / str(number)
        for part in ("second", "again"):
            for window, record in by_window(folder / part).items():
                assert record.results == alone[window].results
                assert record.checkpoints == alone[window].checkpoints
        assert len(by_window(folder / "second")) == len(by_window(folder / "again")) == 2
        for path in (folder / "share").glob("*/*.ckpt"):
            read_checkpoint(path)
