"""The tab of what the machine did: the samples that W&B's client sends while a run is under way."""

from __future__ import annotations

from starlette.responses import Response

from kag.number import read_json
from kag.report.system_figures import system_figures
from kag.server.history import sample
from kag.server.page.drawn import POINTS, drawn
from kag.server.page.responses import data, nothing_new
from kag.server.page.site import Shelf, Site
from kag.server.page.tabs import Opened
from kag.server.page.visit import Visit
from kag.server.tables import EVENTS


def system_tab(site: Site, visit: Visit) -> Response:
    """The page without its figures, which a script fetches."""
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
    return opened.page(site, visit, "system")


def system(site: Site, visit: Visit) -> Response:
    """The figures, of as many samples as a screen can show, evenly spread; unless nothing is new."""
    with site.store.read() as connection:
        found = Shelf.of(site, connection, visit).run(visit.word)
        seen = f"{found.changed}-{found.state}"
        if visit.query.get("seen") == seen:
            return nothing_new()
        rows = [
            row for row in map(read_json, sample(connection, found.number, EVENTS, POINTS)) if isinstance(row, dict)
        ]
    return data({"seen": seen, "figures": [drawn(figure) for figure in system_figures(rows)]})
