"""What a run told its people with `run.alert()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.server.rights import Key
from kag.server.store import all_rows, count, inserted
from kag.server.tables import alerts, projects, runs

LEVELS = ("INFO", "WARN", "ERROR")
SECOND = 1000.0
"""Clients give the duration in milliseconds."""


def keep(connection: Connection, run_id: int, given: Mapping[str, Any], *, now: float) -> RowMapping | None:
    """Keep an alert, unless one of its title came so shortly before that the run itself wanted none (W&B's rule).

    Returns:
        Its row, or None.
    """
    wait = (given.get("waitDuration") or 0) / SECOND
    recent = alerts.c.created_at > now - wait
    if wait and count(connection, alerts, recent, run_id=run_id, title=given["title"]):
        return None
    level = given.get("severity") or LEVELS[0]
    row = {"run_id": run_id, "title": given["title"], "text": given["text"], "level": level, "wait": wait}
    return inserted(connection, alerts, {**row, "created_at": now})


_NEWEST = (alerts.c.created_at.desc(), alerts.c.id.desc())


def alerts_of(
    connection: Connection, run_id: int, *, offset: int = 0, limit: int | None = None
) -> Sequence[RowMapping]:
    """The alerts of a run, the newest first: title, text, level (one of `LEVELS`), wait and created_at in seconds."""
    query = select(alerts).filter_by(run_id=run_id).order_by(*_NEWEST)
    return all_rows(connection, query.offset(offset).limit(limit))


def newest_alerts(connection: Connection, key: Key, limit: int) -> Sequence[RowMapping]:
    """The newest alerts of all runs that a key may read, with their `entity`, `project`, `run` and `run_title`."""
    of_run = (projects.c.entity, projects.c.name.label("project"), runs.c.name.label("run"))
    query = (
        select(alerts, *of_run, runs.c.display_name.label("run_title"))
        .join(runs, alerts.c.run_id == runs.c.id)
        .join(projects, runs.c.project_id == projects.c.id)
    )
    if key.place is not None:
        query = query.where(projects.c.entity == key.place[0], projects.c.name == key.place[1])
    return all_rows(connection, query.order_by(*_NEWEST).limit(limit))
