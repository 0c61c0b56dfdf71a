"""The deleted runs of a project that can be restored, and their way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from kag.server.audit import note
from kag.server.faults import Forbidden
from kag.server.page.actions import Report
from kag.server.page.responses import data, moved
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.parts import in_parts
from kag.server.rights import Act, Place, Thing, ask, refusal
from kag.server.things import run_in
from kag.server.trash import KEPT, drop_expired, restore, set_aside_runs

SHOWN = 1_000
"""Runs that are listed, those deleted last."""


def deleted(site: Site, visit: Visit) -> Response:
    """The list."""
    return _page(site, visit, ())


def put_back(site: Site, visit: Visit) -> Response:
    """Restore runs: some by their numbers, or those that were deleted at a moment; all of them without a word.

    Raises:
        Forbidden: the key may not change any of them.
    """
    report, forbidden = Report(), list[str]()
    with site.store.read() as connection:
        row = visit.project(connection)
        place = (row["entity"], row["name"])
        ask(visit.key, Act.MAKE, Thing("a project", place))
        meant = [one["id"] for one in set_aside_runs(connection, row["id"]) if _is_meant(one, visit.form)]

    def put_some(connection: Connection, some: Sequence[int]) -> None:
        for run in set_aside_runs(connection, row["id"], some):
            _put(connection, visit, run, place, report, forbidden)

    in_parts(site.store, meant, put_some)
    if forbidden and len(forbidden) == len(meant):
        raise Forbidden(forbidden[0])
    if "application/json" in visit.request.headers.get("accept", ""):
        return data(report.told())
    if report.undone:
        return _page(site, visit, report.undone)
    return moved(site.address(visit.entity, visit.name, *([] if report.done else ["deleted"])))


def _put(
    connection: Connection, visit: Visit, run: RowMapping, place: Place, report: Report, forbidden: list[str]
) -> None:
    """Restore one run, or tell why not."""
    thing = run_in(place, run, run["maker"])
    refused = refusal(visit.key, Act.CHANGE, thing)
    forbidden += [refused] if refused else []
    why = refused or restore(connection, run)
    if why is None:
        note(connection, visit.key.name, "restoreRun", thing, now=visit.now)
        report.done += 1
    else:
        report.undone.append((run["display_name"] or run["name"], why))


def _is_meant(run: RowMapping, form: dict[str, str]) -> bool:
    if "run" in form:
        return form["run"] == str(run["id"])
    return form.get("at", repr(run["deleted_at"])) == repr(run["deleted_at"])


def _page(site: Site, visit: Visit, undone: Sequence[tuple[str, str]]) -> Response:
    drop_expired(site.store, now=visit.now)
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = set_aside_runs(connection, shelf.row["id"])
    listed = [_listed(run) for run in found[:SHOWN]]
    told: dict[str, Any] = {"runs": listed, "more": len(found) - len(listed), "undone": undone}
    return site.page("deleted.html", visit, shelf=shelf, section="deleted", **told)


def _listed(run: RowMapping) -> dict[str, Any]:
    return {
        "number": run["id"],
        "title": run["display_name"] or run["name"],
        "name": run["name"],
        "by": run["deleted_by"],
        "at": run["deleted_at"],
        "until": run["deleted_at"] + KEPT,
    }
