"""A run that says running is believed as long as its process lives."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kag.errors import RecordError
from kag.track.claim import clock_of
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import as_it_stands, locked
from kag.track.record import RunRecord, Status
from tests.track.owners import own_elsewhere

HOLD = """
import sys
from pathlib import Path
from kag.track.folder import RunFolder
from kag.track.hold import locked
with locked(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "2026-01-02_03-04-05_one")
    made.path.mkdir()
    made.write_record(record_of(made, hostname=socket.gethostname()))
    return made


@pytest.fixture
def trainer(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the run."""
    words = [sys.executable, "-c", HOLD, str(folder.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def record_of(folder: RunFolder, *, hostname: str, status: Status = Status.RUNNING) -> RunRecord:
    return RunRecord.model_validate(
        {
            "id": folder.id,
            "name": "one",
            "status": status,
            "start": "2026-01-02T03:04:05Z",
            "environment": {"hostname": hostname},
        }
    )


def listed(folder: RunFolder) -> Status:
    (record,) = FolderSource(folder.path.parent).records()
    return record.status


def test_a_run_is_killed_when_its_process_is(folder: RunFolder, trainer: subprocess.Popen[str]) -> None:
    source = FolderSource(folder.path.parent)
    assert [record.status for record in source.records()] == [Status.RUNNING]
    with pytest.raises(RecordError, match="another process"), locked(folder):
        pass
    trainer.kill()
    trainer.wait()
    assert [record.status for record in source.records()] == [Status.KILLED], "though record.json is the same"
    assert folder.read_record().status is Status.RUNNING, "looking changes nothing"
    with locked(folder):
        assert listed(folder) is Status.RUNNING


def test_nothing_is_said_of_another_machine(folder: RunFolder, trainer: subprocess.Popen[str]) -> None:
    trainer.kill()
    trainer.wait()
    own_elsewhere(folder.owner_file, sign=clock_of(folder.path))
    assert as_it_stands(folder, record_of(folder, hostname="elsewhere")).status is Status.RUNNING
    folder.owner_file.unlink()
    older = record_of(folder, hostname="elsewhere")
    assert as_it_stands(folder, older).status is Status.RUNNING, "of an older kag's run only the lock is there"


def test_a_run_that_was_never_held_may_be_about_to_begin(folder: RunFolder) -> None:
    assert listed(folder) is Status.RUNNING


def test_how_a_run_ended_is_not_doubted(folder: RunFolder, trainer: subprocess.Popen[str]) -> None:
    trainer.kill()
    trainer.wait()
    ended = record_of(folder, hostname=socket.gethostname(), status=Status.FINISHED)
    assert as_it_stands(folder, ended) is ended
