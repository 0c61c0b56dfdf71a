"""The tabs of a run's page: what it was, and everything else that is stored of it. What there is none of has no tab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, select
from starlette.responses import Response

from kag.server.media import media_keys
from kag.server.page.held import Held
from kag.server.page.responses import POLICY
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.run_artifacts import artifact_count
from kag.server.runs import of_stream
from kag.server.store import count
from kag.server.tables import EVENTS, OUTPUT, alerts, files, lines


class Tab(NamedTuple):
    """One of them."""

    word: str
    """Last part of its address; "" for the page that was there first."""
    label: str
    amount: int | None = None
    """How much there is."""


def tabs_of(connection: Connection, found: Held) -> Sequence[Tab]:
    """The tabs of a run that have something in them; none at all if the first would stand alone."""
    run = found.number
    counted = {
        ("media", "Media"): len(media_keys(found.row)),
        ("system", "System"): _has_lines(connection, run, EVENTS),
        ("console", "Console"): _has_lines(connection, run, OUTPUT),
        ("files", "Files and artifacts"): count(connection, files, run_id=run) + artifact_count(connection, run),
        ("alerts", "Alerts"): count(connection, alerts, run_id=run),
    }
    more = [Tab(*name, None if size is True else size) for name, size in counted.items() if size]
    return [Tab("", "Overview"), *more] if more else []


def _has_lines(connection: Connection, run: int, stream: int) -> bool:
    return connection.execute(select(lines.c.line).where(of_stream(run, stream)).limit(1)).first() is not None


@dataclass(frozen=True)
class Opened:
    """A run of which somebody opens a tab."""

    shelf: Shelf
    run: Held
    tabs: Sequence[Tab]

    @classmethod
    def of(cls, site: Site, connection: Connection, visit: Visit) -> Opened:
        """The run that an address names, or NotFound."""
        shelf = Shelf.of(site, connection, visit)
        found = shelf.run(visit.word)
        return cls(shelf, found, tabs_of(connection, found))

    def page(self, site: Site, visit: Visit, tab: str, *, policy: str = POLICY, **values: Any) -> Response:
        """The page of a tab, from the template of its name."""
        shown: Mapping[str, Any] = {"shelf": self.shelf, "section": "runs", "run": self.run, "tabs": self.tabs}
        return site.page(f"run_{tab}.html", visit, policy=policy, tab=tab, **shown, **values)


class Page(NamedTuple):
    """Where a reader is in a list that is shown in pieces."""

    number: int
    """Counted from 1."""
    size: int
    total: int

    @property
    def offset(self) -> int:
        """How many there are before it."""
        return (self.number - 1) * self.size

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // self.size))

    @property
    def begin(self) -> int:
        """Number of its first one, counted from 1; 0 if there are none."""
        return self.offset + 1 if self.total else 0

    @property
    def end(self) -> int:
        """Number of its last one."""
        return min(self.offset + self.size, self.total)


def page_of(visit: Visit, total: int, size: int, *, word: str = "page") -> Page:
    """The page that an address asks for; the nearest one that is there."""
    page = Page(1, size, total)
    return page._replace(number=min(whole(visit, word, 1), page.last))


def whole(visit: Visit, word: str, least: int) -> int:
    """A whole number of the address, at least `least`, which stands for what is none."""
    text = visit.query.get(word, "")
    return max(int(text), least) if text.isascii() and text.isdecimal() and len(text) < 19 else least
