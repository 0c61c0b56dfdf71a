"""Views of a project's table by name: what its address said when somebody saved it. Whoever may read sees them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import Connection, RowMapping, select
from starlette.responses import Response

from kag.server.faults import Fault, needed
from kag.server.page.responses import moved
from kag.server.page.site import Site
from kag.server.page.visit import Visit
from kag.server.rights import Act, Thing, ask
from kag.server.store import all_rows, count, find, take_turns, upsert
from kag.server.tables import saved_views
from kag.text import printable

KEPT = ("q", "state", "tag", "group", "columns", "sort", "view", "keys", "axis", "smooth", "log", "zoom", "hide")
"""Words of an address that are a view."""
SAVED = "saved"
"""Word of an address that names the view which it began as; `none` is every run, as kag shows them."""
NONE = "none"
LONGEST_NAME = 64
LONGEST = 8_000
MOST = 100


def views_of(connection: Connection, project_id: int) -> list[dict[str, object]]:
    """The views of a project by name: words, and whether it opens with them."""
    rows = all_rows(connection, select(saved_views).filter_by(project_id=project_id).order_by(saved_views.c.name))
    return [{**row, "query": _query(row["name"], row["words"])} for row in rows]


def opening(connection: Connection, project_id: int) -> str | None:
    """The words of the view that a project opens with, or None."""
    return next((str(one["query"]) for one in views_of(connection, project_id) if one["first"]), None)


def save(site: Site, visit: Visit) -> Response:
    """Keep a view under a name; that of the same name is replaced by whoever may change it.

    Raises:
        Fault: this is no name, or there are too many views.
        Forbidden: the key may not.
    """
    name, words = visit.form.get("name", "").strip(), _words(visit.form.get("words", ""))
    if not 1 <= len(name) <= LONGEST_NAME or printable(name) != name or name == NONE:
        raise Fault(f"a view has a name of 1 to {LONGEST_NAME} letters, other than {NONE!r}")
    first = bool(visit.form.get("first"))
    with site.store.write() as connection:
        project = visit.project(connection)
        place = (project["entity"], project["name"])
        ask(visit.key, Act.MAKE, Thing("a project", place))
        take_turns(connection, "views", project["id"])
        old = find(connection, saved_views, project_id=project["id"], name=name)
        if old is not None:
            ask(visit.key, Act.CHANGE, _thing(place, old))
        elif count(connection, saved_views, project_id=project["id"]) >= MOST:
            raise Fault(f"a project has {MOST} views at most")
        if first:
            connection.execute(saved_views.update().filter_by(project_id=project["id"]).values(first=False))
        row = {"project_id": project["id"], "name": name, "words": words, "first": first}
        row |= {"user": visit.key.name if old is None else old["user"], "created_at": visit.now}
        upsert(connection, saved_views, [row], key=["project_id", "name"], update=["words", "first", "created_at"])
    return moved(f"{site.address(visit.entity, visit.name)}?{_query(name, words)}")


def remove(site: Site, visit: Visit) -> Response:
    """Forget a view.

    Raises:
        NotFound: there is none of this name.
        Forbidden: the key may not.
    """
    with site.store.write() as connection:
        project = visit.project(connection)
        place = (project["entity"], project["name"])
        ask(visit.key, Act.MAKE, Thing("a project", place))
        name = visit.form.get("name", "")
        found = needed(find(connection, saved_views, project_id=project["id"], name=name), f"no view {name!r}")
        ask(visit.key, Act.CHANGE, _thing(place, found))
        connection.execute(saved_views.delete().filter_by(id=found["id"]))
    return moved(f"{site.address(visit.entity, visit.name)}?{urlencode({SAVED: NONE})}")


def _query(name: str, words: str) -> str:
    return urlencode({SAVED: name}) + (f"&{words}" if words else "")


def _thing(place: tuple[str, str], row: RowMapping) -> Thing:
    return Thing(f"the view {row['name']!r}", place, frozenset({row["user"]}))


def _words(text: str) -> str:
    """Of an address, what is a view, in one order; nothing else gets into an address that is shown to others."""
    if len(text) > LONGEST:
        raise Fault(f"a view has {LONGEST:,} letters at most")
    given: Mapping[str, str] = dict(parse_qsl(text.removeprefix("?"), max_num_fields=100))
    return urlencode({word: given[word] for word in KEPT if given.get(word)})
