"""What the page holds of a run: how long it was under way, and how it stands now."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from sqlalchemy import Connection, RowMapping, create_engine

from kag.server.page.beside import Beside
from kag.server.page.held import Held
from kag.server.page.records import Diagnoses, Ledger
from kag.server.tables import metadata
from kag.track.record import Status
from kag.view.metrics import OWN


def held(state: str = "running", **row: Any) -> Held:
    basic = {
        "id": 1,
        "changed": 7,
        "name": "abc",
        "display_name": None,
        "created_at": 1_760_000_000,
        "heartbeat_at": 1_760_001_000,
        "exit_code": None,
        "config": "{}",
        "summary": "{}",
        "tags": "[]",
        "notes": None,
        "sweep_name": None,
        "group_name": None,
        "job_type": None,
        "commit": None,
        "history_keys": "{}",
    }
    return Held(cast(RowMapping, basic | row), state, Beside(), None)


@pytest.mark.parametrize(
    ("exit_code", "own", "seconds"),
    [
        (0, {"runtime": 60}, 60),
        (1, {"runtime": 60.5}, 60.5),
        (None, {"runtime": 60}, 1000),
        (0, {"runtime": 5000}, 1000),
        (0, {"runtime": -5}, 0),
        (0, {"runtime": "NaN"}, 1000),
        (0, {"runtime": [1]}, 1000),
        (0, {}, 1000),
        (0, "text", 1000),
    ],
)
def test_the_time_between_two_attempts_is_no_time_that_a_run_took(
    exit_code: int | None, own: object, seconds: float
) -> None:
    """The client counts on where it is resumed, and says at its end how far it came."""
    assert held("finished", exit_code=exit_code, summary=json.dumps({"_wandb": own})).seconds == seconds


def test_a_run_that_falls_silent_is_judged_anew_without_a_change_of_its_row() -> None:
    known = Diagnoses()
    engine = create_engine("sqlite://")
    metadata.create_all(engine)

    def status(connection: Connection, state: str) -> Status:
        (entry,) = known.siblings(connection, Ledger.of([held(state)]), OWN).entries
        return entry.record.status

    with engine.connect() as connection:
        found = [status(connection, state) for state in ("running", "crashed", "running")]
    engine.dispose()
    assert found == [
        Status.RUNNING,
        Status.KILLED,
        Status.RUNNING,
    ]
