"""A run that was killed: rules say what is known of it, from its record and from what it had logged."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from kag import names
from kag.changelog.collect import collect
from kag.changelog.table import Row, table
from kag.finding import Finding
from kag.track.folders import FolderSource
from kag.track.hold import locked
from kag.track.record import Found, Status
from kag.track.result import AVERAGED_STATISTICS
from tests.changelog.run_logs import make_folder, run_record

SWA = {"swa.start": 4, "swa.window": 3}


def killed_row(runs: Path, history: list[dict[str, float]], **fields: Any) -> Row:
    """The row of a run whose process is gone: its record still says that it is running."""
    found = Found(averaged_statistics="raw")
    here = {"environment": {"hostname": socket.gethostname()}}
    record = run_record(
        status=Status.RUNNING, config=SWA, found=found, epochs_trained=len(history), **here, **fields
    )  # fmt: skip
    folder = make_folder(runs, record, history=history)
    with locked(folder):
        pass
    (row,) = table(collect(FolderSource(runs)))
    assert row.entry.record.status is Status.KILLED
    return row


def finding(row: Row, code: str) -> Finding:
    (found,) = (one for one in row.findings if one.code == code)
    return found


def epoch(number: int, raw: float, averaged: float | None = None) -> dict[str, float]:
    row = {names.EPOCH: float(number), names.OBJECTIVE: raw}
    row[names.SWA_AVERAGED_EPOCHS] = 0.0 if averaged is None else number - 3.0
    return row if averaged is None else row | {names.averaged(names.OBJECTIVE): averaged}


def test_averaging_that_never_began_is_said_with_a_history_and_without(tmp_path: Path) -> None:
    logged = killed_row(tmp_path / "logged", [epoch(0, 0.2), epoch(1, 0.3)])
    assert "begin at epoch 4; the run ended with epoch 1" in finding(logged, "swa_never_started").sentence
    bare = killed_row(tmp_path / "bare", [])
    assert finding(bare, "swa_never_started").evidence["averaged_epochs"] == 0


def test_what_the_average_was_worth_is_said_from_what_it_had_logged(tmp_path: Path) -> None:
    history = [*(epoch(number, 0.2 + number / 20) for number in range(4)), epoch(4, 0.3, 0.31), epoch(5, 0.28, 0.29)]
    row = killed_row(tmp_path, history)
    assert not row.says("swa_never_started")
    assert "averaged 2 epochs, 4 to 5, not the 3" in finding(row, "swa_window").sentence
    average = finding(row, "average_below_snapshot")
    assert "had reached 0.290 at epoch 5" in average.sentence
    assert f"with {AVERAGED_STATISTICS}" in average.sentence
    assert average.sentence.endswith("the snapshot of epoch 3 0.350")
    assert average.evidence["raw_epoch"] == 3


def test_nothing_is_said_of_a_window_that_had_begun_or_of_a_run_that_goes_on(tmp_path: Path) -> None:
    begun = killed_row(tmp_path / "begun", [], start=run_record().start + timedelta(days=1))
    record = begun.entry.record.model_copy(update={"id": begun.entry.id, "epochs_trained": 5})
    folder = make_folder(tmp_path / "begun", record)
    (row,) = table(collect(FolderSource(tmp_path / "begun")))
    assert not row.says("swa_never_started")
    folder.write_record(record.model_copy(update={"status": Status.RUNNING, "epochs_trained": 1}))
    with locked(folder):
        (row,) = table(collect(FolderSource(tmp_path / "begun")))
    assert row.findings == ()
