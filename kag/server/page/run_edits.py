"""What a person changes on the page of a run: its name and its tags."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import RowMapping
from starlette.responses import Response

from kag.server.faults import Fault, needed
from kag.server.page.actions import MOST_TAGS, checked_tag
from kag.server.page.responses import moved
from kag.server.page.site import Site
from kag.server.page.visit import Visit
from kag.server.rights import Act, ask
from kag.server.runs import edit_run, find_run
from kag.server.things import run_thing
from kag.text import printable

LONGEST_NAME = 128


def rename(site: Site, visit: Visit) -> Response:
    """Call a run something else; an empty name gives it that of its id.

    Raises:
        Fault: this is no name, somebody else has changed it meanwhile, or the key may not.
        NotFound: no such run.
    """
    name = visit.form.get("name", "").strip()
    if len(name) > LONGEST_NAME or printable(name) != name:
        raise Fault(f"a name of a run has {LONGEST_NAME} letters at most, in one line")

    def changed(run: RowMapping) -> dict[str, Any]:
        _require_same(visit, run["display_name"] or run["name"])
        return {"displayName": name or run["name"]}

    return _edited(site, visit, changed)


def write_tags(site: Site, visit: Visit) -> Response:
    """Give a run these tags, with commas between.

    Raises:
        Fault: one is no tag, somebody else has changed them meanwhile, or the key may not.
        NotFound: no such run.
    """
    words = [word for word in visit.form.get("tags", "").split(",") if word.strip()]
    tags = list(dict.fromkeys(map(checked_tag, words)))
    if len(tags) > MOST_TAGS:
        raise Fault(f"a run has {MOST_TAGS} tags at most")

    def changed(run: RowMapping) -> dict[str, Any]:
        _require_same(visit, ", ".join(json.loads(run["tags"])))
        return {"tags": tags}

    return _edited(site, visit, changed)


def _edited(site: Site, visit: Visit, changed: Callable[[RowMapping], dict[str, Any]]) -> Response:
    with site.store.write() as connection:
        found = find_run(connection, visit.project(connection)["id"], visit.word, lock=True)
        run = needed(found, f"no run {visit.word!r} in {visit.entity}/{visit.name}")
        ask(visit.key, Act.CHANGE, run_thing(connection, run))
        edit_run(connection, run["id"], changed(run))
    return moved(site.address(visit.entity, visit.name, "runs", visit.word))


def _require_same(visit: Visit, now: str) -> None:
    if visit.form.get("before", now) != now:
        raise Fault(f"this was changed meanwhile; nothing was written. It is now: {now}", status=409)
