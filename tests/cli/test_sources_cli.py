"""Runs are read by --source wherever they are read, and seeds of other programs are named by --seed-key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_help import EVERY

from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag

LOG = """| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |
|---|---|---|---|---|
| 2025-10-01_00-00-00_october | lower rate | `a.py` | 0.3 | 0.4 |
| 2025-10-02_00-00-00_second | higher rate | `a.py` | 0.35 | 0.4 |
"""
READING = ("report", "doctor", "changelog", "runs list", "runs show", "runs compare", "runs watch")
SEEDED = ("report", "doctor", "changelog", "runs list", "runs compare")


def options(name: str) -> set[str]:
    return {word for option in EVERY[f"kag {name}"].params for word in option.opts}


def test_what_reads_runs_takes_a_source_and_what_is_of_seeds_a_seed_key() -> None:
    assert [name for name in READING if "--source" not in options(name)] == []
    assert [name for name in SEEDED if "--seed-key" not in options(name)] == []


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "log.md").write_text(LOG)
    return f"markdown:{tmp_path / 'log.md'}"


def test_a_run_of_any_source_is_shown_judged_and_watched(log: str, kag: Kag) -> None:
    shown = json.loads(kag("runs", "show", "october", "--source", log, "--json").out)
    assert (shown["run"], shown["history"]) == ("2025-10-01_00-00-00_october", [])
    assert "lower rate" in kag("runs", "show", "october", "--source", log).out
    judged = json.loads(kag("doctor", "second", "--source", log, "--json").out)
    assert judged["run"] == "2025-10-02_00-00-00_second"
    assert judged["findings"]
    watched = kag("runs", "watch", "--source", log, "--json")
    assert (watched.code, watched.out) == (0, "[]\n")
    for words in (("runs", "show", "nobody"), ("doctor", "nobody")):
        done = kag(*words, "--source", log)
        assert done.code == 2
        assert "no run 'nobody'" in done.error


def test_a_folder_is_a_source_too(tmp_path: Path, kag: Kag) -> None:
    make_folder(tmp_path / "runs", run_record(0, "plain"), history=[{"epoch": 0.0, "val/auprc": 0.2}])
    by_folder, by_source = (
        kag("runs", "show", "plain", option, tmp_path / "runs", "--json") for option in ("--runs", "--source")
    )
    assert by_folder.out == by_source.out
    assert kag("doctor", "plain", "--source", tmp_path / "runs").code == 0


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Two runs of another program that differ in a setting that nobody would take for a seed."""
    for number in range(2):
        made = run_record(number, f"mnist-{number}", wandb_id=f"w{number}", config={"draw": number, "lr": 0.1},
                          metrics={"loss": 0.5 - number / 10})  # fmt: skip
        make_folder(tmp_path / "runs", made, history=[{"epoch": 0.0, "loss": 0.5 - number / 10}])
    return tmp_path / "runs"


def test_a_named_seed_makes_replicates_of_two_runs(foreign: Path, kag: Kag) -> None:
    told = kag("runs", "compare", "mnist-0", "mnist-1", "--runs", foreign).out
    assert "nothing but the seed differs" not in told
    told = kag("runs", "compare", "mnist-0", "mnist-1", "--seed-key", "draw", "--runs", foreign).out
    assert "nothing but the seed differs" in told


@pytest.mark.parametrize("words", [("runs", "compare", "mnist-0", "mnist-1"), ("doctor", "mnist-0")])
def test_a_seed_that_no_run_has_is_refused_with_the_nearest(words: tuple[str, ...], foreign: Path, kag: Kag) -> None:
    done = kag(*words, "--seed-key", "drew", "--runs", foreign)
    assert done.code == 2
    assert "draw" in done.error


def test_a_report_that_is_refused_for_its_seed_is_not_written(foreign: Path, kag: Kag, tmp_path: Path) -> None:
    words = ("report", "mnist-0", "--runs", foreign, "--out", tmp_path / "page.html", "--seed-key")
    assert kag(*words, "drew").code == 2
    assert not (tmp_path / "page.html").exists()
    assert kag(*words, "draw").code == 0
