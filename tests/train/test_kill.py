"""`kill -9` at named moments: the run that goes on is the uninterrupted run, bit for bit, and so on a full disk."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kag.spec import spec_text
from tests import warm
from tests.train.conftest import MakeSpec

ROOT = Path(__file__).parents[2]
KILLED, REFUSED, FULL = (72, 8, 20) if "KAG_ALL_KILLS" in os.environ else (22, 4, 4)
"""`make kills` makes a hundred; the suite has time for two runs that are killed in every phase."""

Found = dict[str, Any]


@pytest.fixture(scope="module")
def found(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What became of runs that were killed, refused or left without a disk."""
    folder = tmp_path_factory.mktemp("kills")
    spec, disk = folder / "spec.yaml", folder / "disk"
    settings = {"swa": {"start": 2, "window": 2, "keep_sums": True}, "model.gate.clamp": [0.2, 0.8]}
    spec.write_text(spec_text(make_spec(**settings)))
    disk.mkdir()
    driver = [sys.executable, Path(__file__).with_name("kill_driver.py"), spec, disk]
    numbers = map(str, (KILLED, REFUSED, FULL))
    done = warm.run([*driver, *numbers], cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    told: Found = json.loads(done.stdout)
    return told


def hits(cases: list[Found]) -> list[tuple[str, int, str]]:
    assert [case["differing"] for case in cases] == [[]] * len(cases), "something was lost, or is another number"
    return [tuple(hit) for case in cases for hit in case["hits"]]


@pytest.mark.slow(45, "a run that is killed at any moment ends, bit for bit, as if it had not been")
def test_killed_runs_end_as_if_nothing_had_happened(found: Found) -> None:
    assert found["reference"] == ["finished", 4, found["reference"][2], [2, 3]]
    killed = hits(found["kill"])
    assert len(killed) == KILLED
    phases = Counter(phase for phase, _, _ in killed)
    named = {"opening", "rehearsing", "training", "validating", "recording", "writing", "resuming", "delivering"}
    assert set(phases) == named
    assert min(phases.values()) >= KILLED // 24
    assert {epoch for _, epoch, _ in killed} >= {-1, 0, 1, 4}
    assert {what for _, _, what in killed} >= {"before replace", "after replace", "before fsync", "after fsync"}


@pytest.mark.slow(15, "a second process leaves a live run alone")
def test_a_refused_resume_beside_a_live_run_changes_nothing(found: Found) -> None:
    assert len(hits(found["refuse"])) == REFUSED
    assert {case["code"] for case in found["refuse"]} == {2, -9}, "some are refused, some are killed on the way"
    assert all("another process" in case["said"] for case in found["refuse"] if case["code"] == 2)


@pytest.mark.slow(15, "a full disk costs a run nothing but time")
def test_a_full_disk_is_one_sentence_and_the_run_goes_on_when_there_is_room(found: Found) -> None:
    assert len(hits(found["full"])) == FULL
    assert {phase for phase, _, _ in hits(found["full"])} >= {"opening", "writing"}
    for case in found["full"]:
        assert case["code"] == 1
        assert "cannot be written: no space left on device" in case["said"]
        assert case["left"] == [], "half a file keeps a disk full"
        assert case["status"] in (None, "running", "aborted"), "what could be written"
