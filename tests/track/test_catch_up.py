"""A run whose W&B process was lost: what the server lacks is sent from the folder, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kag.spec.run import TrackSpec
from kag.track import catch_up as room
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import Status
from kag.train.tracker import Tracker
from tests.changelog.run_logs import make_folder, run_record
from tests.track.owners import own_elsewhere


class Run:
    """As W&B's client has one that goes on."""

    def __init__(self, summary: dict[str, float]) -> None:
        self.summary = summary
        self.rows: list[dict[str, float]] = []

    def log(self, row: dict[str, float]) -> None:
        self.rows.append(row)


@pytest.mark.parametrize(("summary", "sent"), [({}, [0.0, 1.0, 2.0]), ({"epoch": 1.0}, [2.0]), ({"epoch": 2.0}, [])])
def test_what_the_server_lacks_is_sent_and_then_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, summary: dict[str, float], sent: list[float]
) -> None:
    record = run_record(1, "cut off")
    make_folder(tmp_path, record, history=[{"epoch": float(epoch), "val/loss": 0.1} for epoch in range(3)])
    run, ended = Run(summary), []

    def begin(*_: Any, wandb_id: str | None) -> Run:
        assert wandb_id == record.wandb_id
        return run

    monkeypatch.setattr(room, "begin", begin)
    monkeypatch.setattr(room, "end", lambda *words: ended.append(words[0]))
    room.catch_up(RunFolder(tmp_path / record.id), record, TrackSpec(), pytest.fail)
    assert [row["epoch"] for row in run.rows] == sent
    assert ended == [run]


def killed(runs: Path, epochs: int = 3, files: str = "run", **fields: Any) -> RunFolder:
    """A run whose process has gone without a word, silent on another machine for an hour."""
    record = run_record(1, "cut", **{"status": Status.RUNNING, "wandb_id": "abc", **fields})
    folder = make_folder(runs, record, history=[{"epoch": float(epoch)} for epoch in range(epochs)])
    own_elsewhere(folder.owner_file, sign=SIGN)
    (folder.wandb / f"{files}-20251002_000000-abc").mkdir(parents=True)
    return folder


SIGN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def test_what_is_owed_is_of_a_run_that_was_killed_and_went_to_a_server(tmp_path: Path) -> None:
    assert room.is_owed(killed(tmp_path / "killed"))
    assert not room.is_owed(killed(tmp_path / "ended", status=Status.ABORTED))
    assert not room.is_owed(killed(tmp_path / "no mirror", wandb_id=None))
    assert not room.is_owed(killed(tmp_path / "offline", files="offline-run"))
    trained = killed(tmp_path / "trained")
    own_elsewhere(trained.owner_file, sign=datetime.now(UTC))
    assert not room.is_owed(trained)


def test_what_a_killed_run_owes_is_sent_once_and_its_last_sign_of_life_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = killed(tmp_path), Run({"epoch": 0.0})

    def begin(*_: Any, wandb_id: str | None, or_offline: bool) -> Run:
        assert (wandb_id, or_offline) == ("abc", False)
        return run

    ended: list[Any] = []
    monkeypatch.setattr(room, "begin", begin)
    monkeypatch.setattr(room, "end", lambda *words: ended.append(words[2]))
    assert room.send_owed(folder, TrackSpec(), pytest.fail) == 2
    assert [row["epoch"] for row in run.rows] == [1.0, 2.0]
    record = folder.read_record()
    assert ended == [record], "the server has the record that the folder has"
    assert (record.status, record.heartbeat, record.end) == (Status.KILLED, SIGN, None)
    assert not room.is_owed(folder)


@pytest.mark.parametrize("how", ["no server", "lost in between", "trained"])
def test_what_could_not_be_sent_is_owed_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    folder, told = killed(tmp_path), list[str]()
    before = folder.record_file.read_bytes()

    def lost(*_: Any) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr(room, "begin", lambda *_, **__: None if how == "no server" else Run({}))
    monkeypatch.setattr(room, "end", lost)
    if how == "trained":
        with locked(folder):
            assert room.send_owed(folder, TrackSpec(), told.append) is None
    else:
        assert room.send_owed(folder, TrackSpec(), told.append) is None
    assert len(told) == (how != "no server"), "who finds no server says so"
    assert folder.record_file.read_bytes() == before
    assert room.is_owed(folder)


def test_a_run_that_goes_on_sends_first_what_its_killed_process_could_not(tmp_path: Path) -> None:
    run: Any = Run({"epoch": 0.0})
    Tracker(run, pytest.fail).catch_up(killed(tmp_path))
    assert [row["epoch"] for row in run.rows] == [1.0, 2.0]
