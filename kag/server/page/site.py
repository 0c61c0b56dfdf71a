"""What every page gets: the database, the templates, who may log in, and the runs that are held."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import Response

from kag.compare.paired import DrawnOf, HeldReadings
from kag.compare.replicates import Replicates
from kag.report.differences import Scored
from kag.server.base import Base, base_of
from kag.server.batches import Batches
from kag.server.context import Context, Patience, Settings
from kag.server.faults import needed
from kag.server.held_lists import HeldLists
from kag.server.keys import key_of
from kag.server.links import Links
from kag.server.page.assets import Assets
from kag.server.page.held import Held, Known, Project
from kag.server.page.news import News
from kag.server.page.records import Counted, Diagnoses, Ledger, counted
from kag.server.page.responses import POLICY, html
from kag.server.page.saved_scores import SavedScores
from kag.server.page.scores import PROFILES, KeptSelections, draws_in, profiles_in
from kag.server.page.seeds import KeptSeeds
from kag.server.page.series import KeptSeries
from kag.server.page.session import Sessions
from kag.server.page.templates import environment, path_of
from kag.server.page.top_results import TopResults
from kag.server.page.visit import Visit
from kag.server.rights import Key
from kag.server.store import Store
from kag.stats.profile import Profile
from kag.stats.scores import Drawn
from kag.sweep.suggest import Suggest, suggest

PROJECTS = 8
"""Projects that are held: those that were looked at last."""


@dataclass(frozen=True)
class Watched:
    """One project, with what is held of it."""

    project: Project
    diagnoses: Diagnoses = field(default_factory=Diagnoses)
    reading: AbstractContextManager[object] = field(kw_only=True)
    """Held while a file of scores is read whole."""
    draws: HeldReadings[Drawn] = field(default_factory=HeldReadings)
    profiles: HeldReadings[Profile] = field(default_factory=lambda: HeldReadings(PROFILES))
    seeds: KeptSeeds = field(default_factory=KeptSeeds)
    selections: KeptSelections = field(default_factory=KeptSelections)
    series: KeptSeries = field(default_factory=KeptSeries)


class Site:
    """The page of one server.

    Args:
        store: the database.
        settings: how the server behaves.
        secret: signs links and log-ins.
        clock: seconds since the epoch.
        since: when clients could begin to report; None if that is now.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        secret: bytes,
        clock: Callable[[], float],
        since: float | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        self.secret = secret
        self.clock = clock
        self.since = clock() if since is None else since
        self.patience = Patience(self.since, settings.crashed_after)
        self.sessions = Sessions(secret)
        self.news = News(store, time.monotonic)
        self.lists = HeldLists()
        self.top_results = TopResults()
        self.assets = Assets.installed()
        self.templates = environment(self.assets, self.root)
        self._watched = lru_cache(maxsize=PROJECTS)(self._watch)
        self._watching, self._reading = Lock(), Lock()

    def watched(self, number: int) -> Watched:
        """The project of a row of the database; whoever asks at once gets the same."""
        with self._watching:
            return self._watched(number)

    def _watch(self, number: int) -> Watched:
        return Watched(Project(number, self.patience), reading=self._reading)

    def key_of(self, key: str | None) -> Key | None:
        """What a key opens, or None if that is nothing."""
        with self.store.glance() as connection:
            return key_of(connection, key, now=self.clock())

    def base(self, request: Request) -> Base:
        """Where the sender of a request reaches this server."""
        return base_of(request, self.settings.base)

    @property
    def root(self) -> str:
        """What every address of the page begins with."""
        return self.settings.base.path if self.settings.base else ""

    def address(self, *names: str) -> str:
        """The address of a page."""
        return self.root + path_of(*names)

    def text(self, template: str, **values: Any) -> Markup:
        """A template with its values, which stays as it is inside another one."""
        return Markup(self.templates.get_template(template).render(**values))

    def page(self, template: str, visit: Visit, *, policy: str = POLICY, **values: Any) -> Response:
        """A page for somebody who is logged in."""
        known = {"session": visit.session, "writes": visit.writes, "keeps_keys": visit.keeps_keys}
        return html(self.text(template, **known, **values), policy=policy)

    def context(self, connection: Connection, visit: Visit) -> Context:
        """A request of the page as the resolvers of the protocol see it."""
        return self.asked(connection, visit.request, visit.key, visit.now)

    def asked(
        self,
        connection: Connection,
        request: Request,
        key: Key,
        now: float,
        writer: str = "",
        *,
        reads: bool = False,
        foresight: Suggest = suggest,
    ) -> Context:
        """A request as the resolvers of the protocol see it; `reads` if it changes nothing."""
        links = Links(self.secret, key.name, str(self.base(request)))
        batches = Batches(connection, keep=reads)
        return Context(connection, batches, self.settings, links, key, now, self.since, foresight, writer, self.lists)


@dataclass(frozen=True)
class Shelf:
    """A project with the runs that it has now."""

    row: RowMapping
    watched: Watched
    known: Known
    root: str
    """Of the site."""

    @classmethod
    def of(cls, site: Site, connection: Connection, visit: Visit) -> Shelf:
        """The project that an address names, or NotFound."""
        row = visit.project(connection)
        watched = site.watched(row["id"])
        return cls(row, watched, watched.project.known(connection, now=visit.now), site.root)

    @property
    def runs(self) -> Sequence[Held]:
        """Oldest first."""
        return self.known.runs

    @property
    def names(self) -> tuple[str, str]:
        """Entity and name."""
        return self.row["entity"], self.row["name"]

    @property
    def path(self) -> str:
        """The address of the project."""
        return self.root + path_of(*self.names)

    def run(self, name: str) -> Held:
        """The newest run of W&B's id, else of a run id, else NotFound."""
        named = [run for run in self.runs if run.name == name] or [run for run in self.runs if run.title == name]
        return needed(named[-1] if named else None, f"no run {name!r} in {'/'.join(self.names)}")

    def address(self, run: Held) -> str:
        """The address of a run."""
        return self.root + path_of(*self.names, "runs", run.name)

    def drawn(self, site: Site, connection: Connection, ledger: Ledger) -> DrawnOf:
        """What its runs scored on each example."""
        return self.scored(site, connection, ledger).drawn

    def scored(self, site: Site, connection: Connection, ledger: Ledger) -> Scored:
        """The same, and what the scores look like."""
        found, watched = self.saved(site, connection, ledger), self.watched
        return Scored(draws_in(found, watched.draws), profiles_in(found, watched.profiles, watched.reading))

    def saved(self, site: Site, connection: Connection, ledger: Ledger) -> SavedScores:
        """The files in which its runs have kept their scores."""
        return SavedScores.of(connection, self.row["id"], site.settings.files, ledger.runs)

    def replicates(self, ledger: Ledger) -> tuple[Replicates, ...]:
        """Its runs, those together that differ in the seed alone."""
        return self.watched.seeds.replicates(ledger)

    def ledger(self) -> Ledger:
        """Its runs with their records."""
        return Ledger.of(self.runs)

    def counted(self, ledger: Ledger) -> Counted:
        """The metrics that count."""
        return counted(ledger.records.values(), self.row["changelog_metrics"])
