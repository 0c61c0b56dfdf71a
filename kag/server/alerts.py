"""What a run told its people with `run.alert()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.server.store import all_rows, count
from kag.server.tables import alerts

LEVELS = ("INFO", "WARN", "ERROR")
SECOND = 1000.0
"""Clients give the duration in milliseconds."""


def keep(connection: Connection, run_id: int, given: Mapping[str, Any], *, now: float) -> None:
    """Keep an alert, unless one of its title came so shortly before that the run itself wanted none (W&B's rule)."""
    wait = (given.get("waitDuration") or 0) / SECOND
    recent = alerts.c.created_at > now - wait
    if wait and count(connection, alerts, recent, run_id=run_id, title=given["title"]):
        return
    level = given.get("severity") or LEVELS[0]
    row = {"run_id": run_id, "title": given["title"], "text": given["text"], "level": level, "wait": wait}
    connection.execute(alerts.insert().values(**row, created_at=now))


def alerts_of(connection: Connection, run_id: int) -> Sequence[RowMapping]:
    """The alerts of a run, the newest first: title, text, level (one of `LEVELS`), wait and created_at in seconds."""
    query = select(alerts).filter_by(run_id=run_id).order_by(alerts.c.created_at.desc(), alerts.c.id.desc())
    return all_rows(connection, query)
