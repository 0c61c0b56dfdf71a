"""The first page: every project, the one with the latest sign of life first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select
from starlette.responses import Response

from kag.server.alerts import newest_alerts
from kag.server.filters_sql import shown_state
from kag.server.page.site import Site
from kag.server.page.visit import Visit
from kag.server.store import all_rows
from kag.server.tables import projects, runs, sweeps

ALERTS = 5
"""The newest of all projects, which are shown."""
STATES = ("finished", "running", "pending", "preempting", "preempted", "killed", "crashed", "failed")
"""In the order of a bar, from its left."""
WIDTH = 100.0
"""Of a bar, in its own units."""


class Part(NamedTuple):
    """The runs of a state, as a part of a bar."""

    state: str
    runs: int
    at: float
    width: float


def bar(counts: dict[str, int]) -> list[Part]:
    """The parts of the bar of a project, by state -> runs."""
    total, at, found = sum(counts.values()), 0.0, list[Part]()
    for state in (*STATES, *sorted(counts.keys() - set(STATES))):
        if counts.get(state):
            width = WIDTH * counts[state] / total
            found.append(Part(state, counts[state], at, width))
            at += width
    return found


def index(site: Site, visit: Visit) -> Response:
    """The list of projects."""
    searched = select(sweeps.c.project_id, func.count().label("sweeps")).group_by(sweeps.c.project_id).subquery()
    query = select(projects, searched.c.sweeps).join(searched, searched.c.project_id == projects.c.id, isouter=True)
    if visit.key.place is not None:
        query = query.where(projects.c.entity == visit.key.place[0], projects.c.name == visit.key.place[1])
    with site.store.read() as connection:
        by_state = _by_state(connection, site, visit)
        listed = [_listed(connection, site, row, by_state[row["id"]]) for row in all_rows(connection, query)]
        alerts = newest_alerts(connection, visit.key, ALERTS)
    shown = sorted(listed, key=lambda one: (-(one["latest"] or one["created_at"]), one["entity"], one["name"]))
    return site.page("index.html", visit, projects=shown, alerts=alerts, base=str(site.base(visit.request)))


States = Sequence[tuple[str, int, float]]
"""State, how many runs have it, and when the last of them was heard of."""


def _by_state(connection: Connection, site: Site, visit: Visit) -> defaultdict[int, list[tuple[str, int, float]]]:
    state = shown_state(site.patience, visit.now).label("state")
    query = select(runs.c.project_id, state, func.count(), func.max(runs.c.heartbeat_at))
    found: defaultdict[int, list[tuple[str, int, float]]] = defaultdict(list)
    for number, name, count, latest in connection.execute(query.group_by(runs.c.project_id, state)):
        found[number].append((name, count, latest))
    return found


def _listed(connection: Connection, site: Site, row: Any, states: States) -> dict[str, Any]:
    last, _, latest = max(states, key=lambda one: one[2], default=(None, 0, None))
    parts = bar({state: count for state, count, _ in states})
    top = site.top_results.of(connection, row)
    told = {"runs": sum(part.runs for part in parts), "bar": parts, "last": last, "latest": latest, "top": top}
    return {**row, **told, "path": site.address(row["entity"], row["name"])}
