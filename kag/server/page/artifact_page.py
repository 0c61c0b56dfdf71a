"""The page of a version of an artifact, at the address that W&B's client prints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, select
from starlette.responses import Response

from kag.number import read_json
from kag.server.artifact_files import files_of
from kag.server.artifacts import end_expired
from kag.server.collections import find_collection, member
from kag.server.faults import needed
from kag.server.files import media_type
from kag.server.page.files_page import described
from kag.server.page.media_files import DRAWN
from kag.server.page.site import Shelf, Site
from kag.server.page.table_page import shown_table
from kag.server.page.tabs import page_of
from kag.server.page.visit import Visit
from kag.server.resolvers.files import get_link
from kag.server.rights import Act, Thing, ask
from kag.server.run_artifacts import runs_of, versions
from kag.server.store import find
from kag.server.tables import artifacts, blobs, memberships
from kag.server.wandb_table import SUFFIX, read_table
from kag.spec.flat import flatten

FILES = 100
"""On one page."""
VERSIONS = 100
"""The newest, which are listed."""


def artifact(site: Site, visit: Visit) -> Response:
    """What it is, its files, the runs that logged and used it, and the other versions."""
    end_expired(site.store, visit.now)
    with site.store.read() as connection:
        shelf, found = _found(site, connection, visit)
        context = site.context(connection, visit)
        rows = files_of(connection, found["id"])
        page = page_of(visit, len(rows), FILES)
        files = [
            {**row, "link": get_link(context, "artifact", row), "is_table": row["name"].endswith(SUFFIX)}
            for row in rows[page.offset : page.end]
        ]
        logged, used = runs_of(connection, found)
        siblings = select(memberships.c.artifact_id).filter_by(collection_id=found["collection_id"])
        others = versions(connection, artifacts.c.id.in_(siblings))[:VERSIONS]
        shown = described(site, connection, [found, *others])
    return site.page(
        "artifact.html",
        visit,
        shelf=shelf,
        section="",
        artifact=shown[0],
        versions=shown[1:],
        files=files,
        page=page,
        kept={},
        logged=logged,
        used=used,
        metadata=flatten(_metadata(found)),
    )


def artifact_table(site: Site, visit: Visit) -> Response:
    """A table of a version, with the pictures that it has."""
    name = visit.query.get("name", "")
    with site.store.read() as connection:
        shelf, found = _found(site, connection, visit)
        context = site.context(connection, visit)
        rows = {row["name"]: row for row in files_of(connection, found["id"])}
        row = needed(rows.get(name) if name.endswith(SUFFIX) else None, f"no table {name!r} in this version")
        blob = needed(find(connection, blobs, id=row["blob_id"]), f"the file of {name!r} is gone")
        shown = described(site, connection, [found])[0]

    def picture(path: str) -> str | None:
        there = rows.get(path)
        return get_link(context, "artifact", there) if there is not None and media_type(path) in DRAWN else None

    table = shown_table(visit, read_table(site.settings.files, blob["path"]), {"name": name}, picture)
    return site.page("artifact_table.html", visit, shelf=shelf, section="", artifact=shown, name=name, **table)


def _found(site: Site, connection: Connection, visit: Visit) -> tuple[Shelf, RowMapping]:
    """The version that an address names by number, alias or digest, or NotFound."""
    shelf = Shelf.of(site, connection, visit)
    word = str(visit.request.path_params["version"])
    missing = f"no artifact {visit.word}:{word} in {'/'.join(shelf.names)}"
    collection = needed(find_collection(connection, shelf.row["id"], visit.word), missing)
    place = needed(member(connection, collection["id"], word), missing)
    found = needed(next(iter(versions(connection, artifacts.c.id == place["artifact_id"])), None), missing)
    ask(visit.key, Act.READ, Thing("this artifact", (found["entity"], found["project"])))
    return shelf, found


def _metadata(found: RowMapping) -> dict[str, Any]:
    try:
        read = read_json(found["metadata"] or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
