"""The tab of the console: a page of lines, the last one first to be seen; a search; the way from error to error."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from kag.server import console
from kag.server.page.responses import moved
from kag.server.page.site import Site
from kag.server.page.tabs import Opened, page_of, whole
from kag.server.page.visit import Visit

LINES = 1_000
"""On one page."""
FOUND = 200
"""Lines that a search gives at once."""
LONGEST_SEARCH = 200
"""Letters that are searched for."""


def console_tab(site: Site, visit: Visit) -> Response:
    """Lines by page, by search, or beside an error, to which the address leads on."""
    text = visit.query.get("q", "").strip()[:LONGEST_SEARCH]
    missed, at = "", whole(visit, "at", 0)
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
        run = opened.run.number
        total = console.line_count(connection, run)
        way = visit.query.get("error")
        if way in ("next", "before"):
            here = max(min(at, total), 1) - 1
            line = console.error_beside(connection, run, here, before=way == "before")
            if line is not None:
                return moved(f"{_address(site, visit)}?{urlencode({'at': line + 1})}#l{line + 1}")
            end = max(here - console.SEARCHED, 0) if way == "before" else min(here + console.SEARCHED, total - 1)
            missed = f"There is no error between line {here + 1:,} and line {end + 1:,}."
            at = end + 1
        if text:
            begin = whole(visit, "from", 1) - 1
            lines = console.found(connection, run, text, begin, FOUND)
            end = lines[-1].number if len(lines) == FOUND else min(begin + console.SEARCHED, total)
            return opened.page(site, visit, "console", lines=lines, text=text, total=total, begin=begin, end=end)
        at = min(at, total)
        page = page_of(visit, total, LINES)
        if "page" not in visit.query:
            page = page._replace(number=max(1, -(-(at or total) // LINES)))
        lines = console.piece(connection, run, page.offset, page.offset + LINES)
    place: dict[str, Any] = {"page": page, "at": at or page.begin, "missed": missed}
    return opened.page(site, visit, "console", lines=lines, text="", total=total, **place)


def _address(site: Site, visit: Visit) -> str:
    return f"{site.address(visit.entity, visit.name, 'runs', visit.word)}/console"
