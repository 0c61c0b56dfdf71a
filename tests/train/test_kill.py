"""`kill -9` at random moments: the resumed run is the uninterrupted run, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kag.spec import spec_text
from tests.train.conftest import MakeSpec

ROOT = Path(__file__).parents[2]
KILLS = 20


@pytest.mark.slow(60)
def test_twenty_killed_runs_end_as_if_nothing_had_happened(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(epochs=6, **{"swa": {"start": 3, "window": 3, "keep_sums": True}, "model.gate.clamp": [0.2, 0.8]})
    (tmp_path / "spec.yaml").write_text(spec_text(spec))
    driver = Path(__file__).with_name("kill_driver.py")
    command = [sys.executable, driver, tmp_path / "spec.yaml", tmp_path, str(KILLS), "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reference"] == ["finished", 6, found["reference"][2], [3, 4, 5]]
    assert [case["differing"] for case in found["cases"]] == [[]] * KILLS
    hits = [tuple(hit) for case in found["cases"] for hit in case["hits"]]
    assert len(hits) >= KILLS
    phases, epochs = {phase for phase, _ in hits}, {epoch for _, epoch in hits}
    assert -1 in epochs, "before the first epoch"
    assert {"training", "validating", "recording"} <= phases, "inside epochs"
    assert len(epochs - {-1, 6}) >= 4, "in many epochs"
    assert "delivering" in phases, "after the last epoch"
    assert any(len(case["hits"]) > 1 for case in found["cases"]), "in a resumed run"
