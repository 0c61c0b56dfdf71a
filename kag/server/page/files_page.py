"""The tab of a run's files and artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from kag.server.artifact_files import extents
from kag.server.files import run_files
from kag.server.page.media_files import inline
from kag.server.page.site import Site
from kag.server.page.tabs import Opened, page_of
from kag.server.page.visit import Visit
from kag.server.resolvers.files import get_link
from kag.server.run_artifacts import aliases_by_member, logged_by, used_by

FILES = 100
"""On one page."""


def files_tab(site: Site, visit: Visit) -> Response:
    """The files, as far as a word leaves them, some on a page; the versions of artifacts that it logged and used."""
    word = visit.query.get("q", "").strip()
    with site.store.read() as connection:
        opened = Opened.of(site, connection, visit)
        run = opened.run.number
        rows = run_files(connection, run, [], None)
        left = [row for row in rows if word.casefold() in row["name"].casefold()]
        page = page_of(visit, len(left), FILES)
        context = site.context(connection, visit)
        files = [
            {**row, "link": get_link(context, "file", row), "inline": inline(row["name"])}
            for row in left[page.offset : page.end]
        ]
        logged = described(site, connection, logged_by(connection, run))
        used = described(site, connection, used_by(connection, run))
    size = sum(row["size"] for row in rows)
    shown = {"files": files, "page": page, "count": len(rows), "size": size, "text": word}
    return opened.page(site, visit, "files", logged=logged, used=used, kept={"q": word} if word else {}, **shown)


def described(site: Site, connection: Connection, versions: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Versions with their aliases, the number and bytes of their files, and the address of their page."""
    held = extents(connection, [one["id"] for one in versions])
    named = aliases_by_member(connection, versions)
    return [
        {
            **one,
            "aliases": named.get(one["membership_id"], []),
            "files": held.get(one["id"], (0, 0))[0],
            "size": held.get(one["id"], (0, 0))[1],
            "path": site.address(
                one["entity"], one["project"], "artifacts", one["type"], one["name"], f"v{one['version']}"
            ),
        }
        for one in versions
    ]
