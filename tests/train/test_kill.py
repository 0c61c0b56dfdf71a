"""`kill -9` at named moments: the run that goes on is the uninterrupted run, bit for bit, and so on a full disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.spec import spec_text
from tests.train.conftest import MakeSpec

ROOT = Path(__file__).parents[2]
KILLS, REFUSED, FULL = 72, 8, 20
SMALL = "1500k"
"""Size of a disk on which a run of the driver's spec fits, once."""

Disturbed = dict[str, Any]


def disturbed(kind: str, spec_file: Path, folder: Path, number: int) -> Disturbed:
    driver = Path(__file__).with_name("kill_driver.py")
    command = [sys.executable, driver, kind, spec_file, folder, str(number), "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: Disturbed = json.loads(done.stdout)
    assert [case["differing"] for case in found["cases"]] == [[]] * len(found["cases"])
    return found


def hits(found: Disturbed) -> list[tuple[str, int, str]]:
    return [tuple(hit) for case in found["cases"] for hit in case["hits"]]


@pytest.fixture
def spec_file(make_spec: MakeSpec, tmp_path: Path) -> Path:
    spec = make_spec(**{"swa": {"start": 2, "window": 2, "keep_sums": True}, "model.gate.clamp": [0.2, 0.8]})
    path = tmp_path / "spec.yaml"
    path.write_text(spec_text(spec))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own. Whoever may not mount one has it in `KAG_SMALL_DISK`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow(90)
def test_killed_runs_end_as_if_nothing_had_happened(spec_file: Path, tmp_path: Path) -> None:
    found = disturbed("kill", spec_file, tmp_path, KILLS)
    assert found["reference"] == ["finished", 4, found["reference"][2], [2, 3]]
    assert len(hits(found)) == KILLS
    phases = Counter(phase for phase, _, _ in hits(found))
    named = {"opening", "rehearsing", "training", "validating", "recording", "resuming", "delivering"}
    assert set(phases) == named
    assert min(phases.values()) >= 3
    assert {epoch for _, epoch, _ in hits(found)} >= {-1, 0, 1, 4}
    assert {what for _, _, what in hits(found)} >= {"before replace", "after replace", "before fsync", "after fsync"}


@pytest.mark.slow(15)
def test_a_refused_resume_beside_a_live_run_changes_nothing(spec_file: Path, tmp_path: Path) -> None:
    found = disturbed("refuse", spec_file, tmp_path, REFUSED)
    codes = Counter(case["code"] for case in found["cases"])
    assert set(codes) == {2, -9}, "some are refused, some are killed on the way"
    assert all("another process" in case["said"] for case in found["cases"] if case["code"] == 2)
