"""A word means the same run to every command; the mere end of a name is enough to look, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.changelog.run_logs import make_folder, run_record

WRITING = (
    ("note", "averaged", "a remark"),
    ("runs", "archive", "averaged"),
    ("train", "--resume", "averaged"),
    ("eval", "averaged"),
    ("eval", "averaged:best"),
    ("predict", "averaged", "--data", "sites.h5", "--out", "o.h5"),
    ("mine", "averaged", "--out", "hard.json"),
    ("windows", "averaged"),
    ("blend", "averaged", "averaged:best", "--weights", "0.5,0.5"),
)
READING = (
    ("runs", "show", "averaged", "--json"),
    ("runs", "compare", "averaged", "first", "--json"),
    ("doctor", "averaged", "--json"),
    ("report", "averaged", "--out", "r.html"),
)


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number, name in enumerate(("first", "first_averaged")):
        make_folder(tmp_path / "runs", run_record(number, name, val=0.3))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


@pytest.mark.parametrize("words", WRITING, ids=" ".join)
def test_an_ending_selects_no_run_to_write_to(kag: Any, runs: Path, words: tuple[str, ...]) -> None:
    before = {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()}
    done = kag(*words)
    assert done.code == 2
    assert "no run 'averaged'" in done.error
    assert "nearest: 2025-10-02_00-00-00_first_averaged" in done.error
    assert {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_an_ending_is_enough_to_look(kag: Any, words: tuple[str, ...]) -> None:
    assert kag(*words).code == 0


@pytest.mark.parametrize("words", [*WRITING, *READING], ids=" ".join)
def test_a_name_of_several_runs_lists_them_to_every_command(kag: Any, runs: Path, words: tuple[str, ...]) -> None:
    for number in (4, 5):
        make_folder(runs, run_record(number, "averaged", val=0.3 + number / 100))
    done = kag(*words)
    assert done.code == 2
    assert "'averaged' stands for 2 runs:" in done.error
    assert "2025-10-05_00-00-00_averaged  finished, val AUPRC 0.340" in done.error


def test_the_latest_is_a_word_of_every_command(kag: Any, runs: Path) -> None:
    last = make_folder(runs, run_record(9, "last", val=0.3))
    assert json.loads(kag("runs", "show", "latest", "--json").out)["record"]["id"] == last.id
    assert kag("note", "latest", "a remark").code == 0
    assert last.notes() == "a remark\n"
    assert f"run {last.id} has no checkpoint 'best'" in kag("eval", "latest:best").error
