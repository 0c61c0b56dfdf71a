"""A run whose W&B process was lost: what the server lacks is sent from the folder, and nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kag.spec.run import TrackSpec
from kag.track import catch_up as room
from kag.track.folder import RunFolder
from tests.changelog.run_logs import make_folder, run_record


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
