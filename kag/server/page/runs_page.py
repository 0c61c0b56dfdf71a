"""The table of a project's runs: its frame as HTML, its rows as values that a script draws and keeps up to date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from kag.changelog.cells import body
from kag.server.page.columns import Column, catalogue, cell, chosen
from kag.server.page.held import Held
from kag.server.page.responses import data, nothing_new
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit

SHOWN_NOTE = 120
"""Letters of a note in the table."""


def table(site: Site, visit: Visit) -> Response:
    """The page, with every row in it."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit, thorough=True)
    columns = chosen(_words(visit), shelf.runs)
    return site.page("runs.html", visit, shelf=shelf, section="runs", table=_answer(shelf, columns, shelf.runs))


def changed(site: Site, visit: Visit) -> Response:
    """The runs that have changed after a state of the table that the script knows; all of them for other columns."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
    if visit.query.get("catalogue"):
        return data(catalogue(shelf.runs))
    epoch, _, serial = visit.query.get("seen", "").partition("-")
    known = int(serial) if epoch == shelf.epoch and serial.isdecimal() else -1
    fresh = [run for run in shelf.runs if run.serial > known]
    if not fresh and known >= 0:
        return nothing_new()
    answer = _answer(shelf, chosen(_words(visit), shelf.runs), fresh)
    return data(answer | {"whole": known < 0})


def _words(visit: Visit) -> list[str]:
    return [word for word in visit.query.get("columns", "").split(",") if word]


def _answer(shelf: Shelf, columns: Sequence[Column], runs: Sequence[Held]) -> dict[str, Any]:
    newest = max((run.serial for run in shelf.runs), default=0)
    return {
        "seen": f"{shelf.epoch}-{newest}",
        "columns": [{"word": column.word, "label": column.label, "key": column.key} for column in columns],
        "runs": [_row(run, columns) for run in reversed(runs)],
    }


def _row(run: Held, columns: Sequence[Column]) -> list[Any]:
    """Id, run id or display name, name, state, start, seconds, user, tags, sweep, note, then the chosen values."""
    note = body(run.row["notes"] or "")
    return [
        run.name,
        run.title,
        run.short,
        run.state,
        int(run.row["created_at"]),
        round(run.seconds),
        run.row["user"],
        run.tags,
        run.row["sweep_name"],
        note if len(note) <= SHOWN_NOTE else f"{note[:SHOWN_NOTE]}…",
        [cell(run, column) for column in columns],
    ]
