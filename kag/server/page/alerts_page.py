"""The tab of what a run alerted people to."""

from __future__ import annotations

from starlette.responses import Response

from kag.server.alerts import alerts_of
from kag.server.page.site import Site
from kag.server.page.tabs import Opened, page_of
from kag.server.page.visit import Visit
from kag.server.store import count
from kag.server.tables import alerts

ALERTS = 100
"""On one page."""


def alerts_tab(site: Site, visit: Visit) -> Response:
    """The alerts, the newest first."""
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
        page = page_of(visit, count(connection, alerts, run_id=opened.run.number), ALERTS)
        found = alerts_of(connection, opened.run.number, offset=page.offset, limit=ALERTS)
    return opened.page(site, visit, "alerts", alerts=found, page=page)
