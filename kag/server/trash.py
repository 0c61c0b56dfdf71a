"""Deleted runs are kept aside for a day: in no project, so that nothing finds them, with all that they have.

What asks for the runs of a project, by whatever name, does not see them; what has kept the number of one is told that
there is none (`run_by_id`, `place_of`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from kag.server.begin import bury
from kag.server.store import Store, all_rows, count, find, first
from kag.server.sweeps import look_anew
from kag.server.tables import deleted_runs, runs, sweeps, trash

KEPT = 86_400.0
"""Seconds that a deleted run is kept."""

_NUMBERED = 1
"""Number of the last change of a run that is in no project, whose changes nobody numbers."""


def set_aside(connection: Connection, run: RowMapping, *, user: str, now: float) -> None:
    """Delete a run, so that it can be restored."""
    bury(connection, run, now=now)
    row = {"run_id": run["id"], "project_id": run["project_id"], "sweep_id": run["sweep_id"]}
    connection.execute(trash.insert().values(**row, user=user, deleted_at=now))
    nowhere = {"project_id": None, "sweep_id": None, "changed": _NUMBERED}
    connection.execute(runs.update().filter_by(id=run["id"]).values(**nowhere))


def set_aside_runs(connection: Connection, project_id: int, among: Sequence[int] | None = None) -> Sequence[RowMapping]:
    """The deleted runs of a project that can be restored, the one deleted last first; `maker` is that of its sweep.

    Args:
        connection: a transaction.
        project_id: the project.
        among: numbers of those that are asked about; None: all.
    """
    asked = (trash.c.project_id, trash.c.sweep_id, trash.c.deleted_at, trash.c.user.label("deleted_by"))
    columns = [one for one in runs.c if one.name not in ("project_id", "sweep_id")]
    query = select(*columns, *asked, sweeps.c.user.label("maker")).join(trash, trash.c.run_id == runs.c.id)
    query = query.outerjoin(sweeps, trash.c.sweep_id == sweeps.c.id).where(trash.c.project_id == project_id)
    if among is not None:
        query = query.where(trash.c.run_id.in_(among))
    return all_rows(connection, query.order_by(trash.c.deleted_at.desc(), runs.c.id.desc()))


def restore(connection: Connection, run: RowMapping) -> str | None:
    """Put a run back, with all that it had; of a sweep, its point may be tried again meanwhile.

    Args:
        connection: a transaction that writes.
        run: one of `set_aside_runs`.

    Returns:
        Why that cannot be done; None if it is done.
    """
    project_id, name = run["project_id"], run["name"]
    if find(connection, runs, project_id=project_id, name=name) is not None:
        return f"another run has the id {name!r} by now"
    connection.execute(trash.delete().filter_by(run_id=run["id"]))
    connection.execute(deleted_runs.delete().filter_by(project_id=project_id, name=name))
    back = {"project_id": project_id, "sweep_id": run["sweep_id"], "changed": 0}
    connection.execute(runs.update().filter_by(id=run["id"]).values(**back))
    if run["sweep_id"] is not None:
        look_anew(connection, run["sweep_id"])
    return None


def drop(connection: Connection, which: ColumnElement[bool]) -> int:
    """Remove deleted runs for good; how many there were."""
    number = count(connection, trash, which)
    connection.execute(runs.delete().where(runs.c.id.in_(select(trash.c.run_id).where(which))))
    return number


def expired(now: float) -> ColumnElement[bool]:
    """Which deleted runs were kept long enough."""
    return trash.c.deleted_at <= now - KEPT


def drop_expired(store: Store, *, now: float) -> int:
    """Remove for good what was kept long enough; how many runs that were. Their files are named by nothing then."""
    with store.glance() as connection:
        if first(connection, select(trash.c.run_id).where(expired(now))) is None:
            return 0
    with store.write() as connection:
        return drop(connection, expired(now))
