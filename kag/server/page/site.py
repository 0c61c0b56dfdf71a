"""What every page gets: the database, the templates, who may log in, and the runs that are held."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import Response

from kag.server.context import Context, Settings
from kag.server.faults import NotFound
from kag.server.links import Links
from kag.server.page.assets import Assets
from kag.server.page.held import Held, Patience, Project
from kag.server.page.records import Diagnoses, Ledger
from kag.server.page.responses import html
from kag.server.page.session import Attempts, Sessions
from kag.server.page.templates import environment, path_of
from kag.server.page.visit import Visit
from kag.server.store import Store

PROJECTS = 8
"""Projects that are held."""


@dataclass(frozen=True)
class Watched:
    """One project."""

    project: Project
    diagnoses: Diagnoses = field(default_factory=Diagnoses)


class Projects:
    """The projects that were looked at last.

    Args:
        patience: when a silent run counts as crashed.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._kept: OrderedDict[int, Watched] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, number: int) -> Watched:
        """The project of a row."""
        with self._lock:
            watched = self._kept.pop(number, None) or Watched(Project(number, self.patience))
            self._kept[number] = watched
            while len(self._kept) > PROJECTS:
                self._kept.popitem(last=False)
            return watched


@dataclass(frozen=True)
class Site:
    """The page of one server."""

    store: Store
    settings: Settings
    secret: bytes
    started: float
    """When the server started, in seconds since the epoch."""
    sessions: Sessions
    attempts: Attempts
    assets: Assets
    templates: Environment
    projects: Projects

    @classmethod
    def of(cls, store: Store, settings: Settings, secret: bytes, started: float) -> Site:
        """The page of a server."""
        assets = Assets.installed()
        return cls(
            store=store,
            settings=settings,
            secret=secret,
            started=started,
            sessions=Sessions(secret),
            attempts=Attempts(),
            assets=assets,
            templates=environment(assets),
            projects=Projects(Patience(started, settings.crashed_after)),
        )

    def text(self, template: str, **values: Any) -> Markup:
        """A template with its values, which stays as it is inside another one."""
        return Markup(self.templates.get_template(template).render(**values))

    def page(self, template: str, visit: Visit, **values: Any) -> Response:
        """A page for somebody who is logged in."""
        return html(self.text(template, session=visit.session, **values))

    def context(self, connection: Connection, visit: Visit) -> Context:
        """The request as the resolvers of the protocol see it."""
        links = Links(self.secret, base_of(visit.request))
        return Context(connection, self.settings, links, visit.session.user, visit.now, self.started)


def base_of(request: Request) -> str:
    """`http://host:port`, as the browser sees it."""
    return f"{request.url.scheme}://{request.headers['host']}"


@dataclass(frozen=True)
class Shelf:
    """A project with the runs that it has now."""

    row: RowMapping
    watched: Watched
    runs: Sequence[Held]
    """Oldest first."""
    epoch: str

    @classmethod
    def of(cls, site: Site, connection: Connection, visit: Visit, *, thorough: bool = False) -> Shelf:
        """The project that an address names; `thorough` as for `Project.runs`.

        Raises:
            NotFound: there is none.
        """
        row = visit.project(connection)
        watched = site.projects.of(row["id"])
        runs, epoch = watched.project.runs(connection, now=visit.now, thorough=thorough)
        return cls(row, watched, runs, epoch)

    @property
    def names(self) -> tuple[str, str]:
        """Entity and name."""
        return self.row["entity"], self.row["name"]

    @property
    def path(self) -> str:
        """The address of the project."""
        return path_of(*self.names)

    def run(self, name: str) -> Held:
        """The run of W&B's id, or of a run id.

        Raises:
            NotFound: there is none.
        """
        named = [run for run in self.runs if run.name == name] or [run for run in self.runs if run.title == name]
        if named:
            return named[-1]
        raise NotFound(f"no run {name!r} in {'/'.join(self.names)}")

    def address(self, run: Held) -> str:
        """The address of a run."""
        return path_of(*self.names, "runs", run.name)

    def ledger(self) -> Ledger:
        """Its runs with their records."""
        return Ledger.of(self.runs)
