"""Signs of life that an older kag gave, and what is made of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.heartbeat import SILENT
from kag.track.record import RunRecord, Status
from tests.track.test_hold import record_of


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of another machine."""
    made = RunFolder(tmp_path / "2026-01-02_03-04-05_one")
    made.path.mkdir()
    made.write_record(record_of(made, hostname="another machine"))
    return made


def listed(folder: RunFolder) -> RunRecord:
    (record,) = FolderSource(folder.path.parent).records()
    return record


def beat(folder: RunFolder, ago: timedelta) -> datetime:
    moment = (datetime.now(UTC) - ago).replace(microsecond=0)
    folder.heartbeat_file.write_text(moment.isoformat() + "\n", encoding="ascii")
    return moment


def test_a_run_of_another_machine_that_is_silent_for_long_was_killed(folder: RunFolder) -> None:
    moment = beat(folder, SILENT + timedelta(seconds=5))
    os.utime(folder.heartbeat_file)
    assert (listed(folder).status, listed(folder).heartbeat) == (Status.KILLED, moment), "a copy is as old as its words"
    assert folder.read_record().status is Status.RUNNING


@pytest.mark.parametrize("ago", [timedelta(0), SILENT - timedelta(minutes=1), -timedelta(hours=2)])
def test_a_sign_of_late_or_of_a_clock_that_is_ahead_is_life(folder: RunFolder, ago: timedelta) -> None:
    beat(folder, ago)
    assert listed(folder).status is Status.RUNNING


@pytest.mark.parametrize("words", ["", "yesterday\n", "\xff"])
def test_without_a_sign_nothing_is_claimed(folder: RunFolder, words: str) -> None:
    folder.heartbeat_file.write_text(words, encoding="latin-1")
    assert listed(folder).status is Status.RUNNING
    folder.heartbeat_file.unlink()
    assert listed(folder).status is Status.RUNNING


def test_how_a_run_ended_needs_no_sign(folder: RunFolder) -> None:
    beat(folder, 2 * SILENT)
    ended = record_of(folder, hostname="another machine", status=Status.FINISHED)
    folder.write_record(ended)
    assert listed(folder) == ended
