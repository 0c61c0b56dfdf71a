"""What every page gets: the database, the templates, who may log in, and the runs that are held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from sqlalchemy import Connection, RowMapping
from starlette.requests import Request
from starlette.responses import Response

from kag.server.context import Context, Patience, Settings
from kag.server.faults import NotFound
from kag.server.keys import name_of_key
from kag.server.links import Links
from kag.server.page.assets import Assets
from kag.server.page.held import Held
from kag.server.page.records import Ledger
from kag.server.page.responses import html
from kag.server.page.session import Attempts, Sessions
from kag.server.page.templates import environment, path_of
from kag.server.page.visit import Visit
from kag.server.page.watched import Projects, Watched
from kag.server.store import Store


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

    def user_of(self, key: str | None) -> str | None:
        """Who a key belongs to, or None if it opens nothing."""
        with self.store.read() as connection:
            return name_of_key(connection, key)

    def text(self, template: str, **values: Any) -> Markup:
        """A template with its values, which stays as it is inside another one."""
        return Markup(self.templates.get_template(template).render(**values))

    def page(self, template: str, visit: Visit, **values: Any) -> Response:
        """A page for somebody who is logged in."""
        return html(self.text(template, session=visit.session, **values))

    def context(self, connection: Connection, visit: Visit) -> Context:
        """The request as the resolvers of the protocol see it."""
        links = self.links(visit.request)
        return Context(connection, self.settings, links, visit.session.user, visit.now, self.started)

    def links(self, request: Request) -> Links:
        """Links to files of the server, as whoever sends a request sees it."""
        return Links(self.secret, base_of(request))


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
