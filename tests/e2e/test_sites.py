"""The real file, shortened: one command from the spec to weights that find binding sites."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from kag.track.record import Status
from kag.view.words import find_run
from tests import warm
from tests.delivered import delivered

ROOT = Path(__file__).parents[2]
KAG = "from kag.cli.main import main; main()"
SHORT = ("epochs=2", "optimizer.schedule.max_lr=2e-3", "ema.decay=0.98", "track.mode=disabled")


def kag(folder: Path, *words: str | Path) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KAG, *map(str, words)]
    done = warm.run(command, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow(25, "on real chains the shipped spec learns, and scores as it should")
def test_real_chains_are_learned_and_scored(real_file: Path, tmp_path: Path) -> None:
    out = kag(tmp_path, "train", ROOT / "runs" / "specs" / "sites.yaml", f"data.file={real_file}", *SHORT)
    folder = find_run(tmp_path / "runs", "sites")
    record = folder.read_record()
    assert f"run folder runs/{record.id}" in out
    assert record.status is Status.FINISHED
    objective = delivered(record, "val")
    assert objective.value >= 0.40
    assert objective.ci_low is not None
    assert objective.ci_high is not None
    assert objective.ci_low < objective.value < objective.ci_high
    assert delivered(record, "test").weights_digest == objective.weights_digest

    kag(tmp_path, "eval", record.id, "--split", "val", "--out", "predictions.h5")
    with h5py.File(tmp_path / "predictions.h5") as file:
        assert len(file["row"]) == 11_238
        assert set(file["split"][()]) == {1}
        assert len(np.unique(file["row"][()])) == 11_238
        assert file.attrs["weights_digest"] == objective.weights_digest
        assert file.attrs["data_digest"] == objective.data_digest
