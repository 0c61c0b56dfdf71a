"""Run folders as they lie about: something else in the place of a file, closed to this user, names of any bytes. It is
said of the run that it cannot be read, and no list or command for the others breaks.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kag.track.folder import RunFolder
from tests.changelog.run_logs import make_folder, run_record
from tests.cli.conftest import Kag, Outcome
from tests.cli.forked import forked, without_rights_of_root

LISTS = (("runs", "list", "--runs"), ("changelog", "--source"), ("runs", "watch", "--json", "--runs"))


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that something is going to be wrong with, beside one that is sound."""
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "runs", run_record(1, "sound"))
    return make_folder(tmp_path / "runs", run_record(0, "odd"), notes="mine", history=[{"epoch": 0.0}])


def require_only_that_one(done: Outcome, call: tuple[str, ...]) -> None:
    assert done.code == 0, done.error
    assert "Traceback" not in done.error
    if "watch" not in call:
        assert "sound" in done.out


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("name", ["notes.md", "history.jsonl", "record.json"])
def test_something_else_in_the_place_of_a_file(kag: Kag, odd: RunFolder, name: str, kind: str) -> None:
    (odd.path / name).unlink()
    if kind == "folder":
        (odd.path / name).mkdir()
    else:
        os.mkfifo(odd.path / name)
    for call in LISTS:
        require_only_that_one(kag(*call, "runs"), call)
    for words in (("runs", "show", "odd"), ("doctor", "odd"), ("report", "odd", "--out", "page.html")):
        done = kag(*words)
        assert done.code == 2
        assert done.error.count("error: ") == 1


@pytest.mark.parametrize("closed", ["record.json", "."])
def test_a_run_that_is_closed_to_this_user(odd: RunFolder, closed: str) -> None:
    place = odd.path / closed
    mode = place.stat().st_mode
    place.chmod(0)
    listed = [forked([*call, "runs"], without_rights_of_root) for call in LISTS]
    shown = forked(["runs", "show", odd.id], without_rights_of_root)
    place.chmod(mode)
    for call, done in zip(LISTS, listed, strict=True):
        require_only_that_one(done, call)
        assert "record.json: cannot be read: Permission denied" in done.error
    assert (shown.code, shown.error.count("error: ")) == (2, 1)


def test_a_folder_of_runs_that_is_closed_to_this_user(odd: RunFolder) -> None:
    runs = odd.path.parent
    runs.chmod(0)
    ended = [forked([*call, "runs"], without_rights_of_root) for call in LISTS]
    runs.chmod(0o755)
    for done in ended:
        assert (done.code, done.error.count("error: ")) == (2, 1)


def test_a_name_of_any_bytes_stays_on_its_line(kag: Kag, odd: RunFolder) -> None:
    odd.path.rename(os.fsdecode(os.fsencode(odd.path.parent) + b"/a\xff\x1b[31m\nb"))
    for call in LISTS:
        done = kag(*call, "runs")
        require_only_that_one(done, call)
        assert "\x1b" not in done.error
        told, *rest = done.error.splitlines()
        assert told.startswith("left out: runs/a\\udcff")
        assert "the record is of run" in told
        assert all(line.startswith("  ") for line in rest)


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--port", "0", "--files"),
        ("serve", "prune", "--files"),
        ("serve", "backup", "copy", "--files"),
        ("train", "spec.yaml", "--share"),
        ("train", "spec.yaml", "--runs"),
        ("track", "--runs"),
        ("sweep", "sweep.yaml", "--runs"),
        ("runs", "list", "--runs"),
    ],
    ids=" ".join,
)
def test_a_file_where_a_folder_is_expected(kag: Kag, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "a file"
    file.write_text("kept")
    done = kag(*words, file)
    assert done.code == 2
    assert "a file" in done.error
    assert file.read_text() == "kept"
