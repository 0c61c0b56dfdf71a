"""Evaluations on external files are added to the record of a run that nobody trains, each look once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kag.errors import RecordError, StorageError
from kag.track.evaluations import keep_evaluations, with_evaluations
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import RunRecord, Status
from kag.track.result import ExternalEvaluation, Result

START = datetime(2025, 10, 21, tzinfo=UTC)


def look(data: str = "d", weights: str = "w", split: str = "test", value: float = 0.4) -> ExternalEvaluation:
    basic = {"metric": "auprc", "weights": "raw"}
    named = {"split": split, "value": value, "data_digest": data, "weights_digest": weights}
    return ExternalEvaluation(file="coach.h5", when=START, results=(Result.model_validate(basic | named),))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path, "one", START)
    made.write_record(RunRecord(id=made.id, name="one", status=Status.FINISHED, start=START))
    return made


def test_a_look_is_kept_once(folder: RunFolder) -> None:
    record = with_evaluations(folder.read_record(), [look()])
    assert with_evaluations(record, [look(value=0.5)]) is record, "the first one stays"
    others = [look(data="e"), look(weights="v"), look(split="all")]
    assert with_evaluations(record, [look(), *others]).evaluations == (look(), *others)


def test_they_are_written_beside_what_others_wrote_meanwhile(folder: RunFolder) -> None:
    keep_evaluations(folder, [look()])
    folder.write_record(folder.read_record().model_copy(update={"tags": ("kept",)}))
    kept = keep_evaluations(folder, [look(), look(data="e")])
    assert folder.read_record() == kept
    assert (kept.tags, len(kept.evaluations)) == (("kept",), 2)


def test_nothing_new_is_no_write(folder: RunFolder) -> None:
    keep_evaluations(folder, [look()])
    before = folder.record_file.stat()
    keep_evaluations(folder, [look()])
    after = folder.record_file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_run_that_another_process_trains_is_left_alone(folder: RunFolder) -> None:
    before = folder.record_file.read_bytes()
    with locked(folder), pytest.raises(RecordError, match="trained by another process"):
        keep_evaluations(folder, [look()])
    assert folder.record_file.read_bytes() == before


def test_a_run_under_way_elsewhere_is_left_alone(folder: RunFolder) -> None:
    """Whether a process on another machine is alive, no lock tells everywhere."""
    elsewhere = {"status": Status.RUNNING, "environment": {"hostname": "another machine"}}
    folder.write_record(folder.read_record().model_copy(update=elsewhere))
    before = folder.record_file.read_bytes()
    with pytest.raises(RecordError, match="is under way"):
        keep_evaluations(folder, [look()])
    assert folder.record_file.read_bytes() == before


def test_a_record_that_cannot_be_written_is_a_sentence(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = folder.record_file.read_bytes()
    monkeypatch.setattr("kag.track.atomic.os.replace", full)
    with pytest.raises(StorageError, match="cannot be written: no space left on device"):
        keep_evaluations(folder, [look()])
    assert folder.record_file.read_bytes() == before
