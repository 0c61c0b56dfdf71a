"""The first page: every project, the one with the latest sign of life first."""

from __future__ import annotations

from sqlalchemy import case, func, select
from starlette.responses import Response

from kag.server.alerts import newest_alerts
from kag.server.filters_sql import shown_state
from kag.server.page.site import Site
from kag.server.page.visit import Visit
from kag.server.store import all_rows
from kag.server.tables import projects, runs, sweeps

ALERTS = 5
"""The newest of all projects, which are shown."""


def index(site: Site, visit: Visit) -> Response:
    """The list of projects."""
    running = shown_state(site.patience, visit.now) == "running"
    counted = (
        select(
            runs.c.project_id,
            func.count().label("runs"),
            func.sum(case((running, 1), else_=0)).label("running"),
            func.max(runs.c.heartbeat_at).label("latest"),
        )
        .group_by(runs.c.project_id)
        .subquery()
    )
    searched = select(sweeps.c.project_id, func.count().label("sweeps")).group_by(sweeps.c.project_id).subquery()
    query = (
        select(projects, counted.c.runs, counted.c.running, counted.c.latest, searched.c.sweeps)
        .join(counted, counted.c.project_id == projects.c.id, isouter=True)
        .join(searched, searched.c.project_id == projects.c.id, isouter=True)
    )
    if visit.key.place is not None:
        query = query.where(projects.c.entity == visit.key.place[0], projects.c.name == visit.key.place[1])
    with site.store.read() as connection:
        found = all_rows(connection, query)
        alerts = newest_alerts(connection, visit.key, ALERTS)
    listed = sorted(found, key=lambda row: (-(row["latest"] or row["created_at"]), row["entity"], row["name"]))
    shown = [{**row, "path": site.address(row["entity"], row["name"])} for row in listed]
    return site.page("index.html", visit, projects=shown, alerts=alerts, base=str(site.base(visit.request)))
