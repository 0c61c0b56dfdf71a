"""The table of a project's runs: its frame as HTML, its rows as values that a script draws and keeps up to date."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.responses import Response

from kag.changelog.cells import body
from kag.server.page.columns import Column, catalogue, cell, chosen, text_of
from kag.server.page.held import Held
from kag.server.page.responses import data, nothing_new
from kag.server.page.site import Shelf, Site
from kag.server.page.templates import brief
from kag.server.page.visit import Visit
from kag.text import digits_apart, duration

SHOWN_NOTE = 120
"""Letters of a note in the table."""


def table(site: Site, visit: Visit) -> Response:
    """The page, with every row in it."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit, thorough=True)
    frame = _Frame.of(shelf, _words(visit))
    return site.page("runs.html", visit, shelf=shelf, section="runs", table=frame.answer(shelf.runs))


def changed(site: Site, visit: Visit) -> Response:
    """The runs that have changed after a state of the table that the script knows; all of them for other columns."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
    if visit.query.get("catalogue"):
        return data(catalogue(shelf.runs))
    epoch, _, state = visit.query.get("seen", "").partition("-")
    serial, _, look = state.partition("-")
    known = int(serial) if epoch == shelf.epoch and serial.isdecimal() else -1
    fresh = [run for run in shelf.runs if run.serial > known]
    if not fresh and known >= 0:
        return nothing_new()
    frame = _Frame.of(shelf, _words(visit))
    whole = known < 0 or look != frame.look
    return data(frame.answer(shelf.runs if whole else fresh) | {"whole": whole})


def _words(visit: Visit) -> list[str]:
    return [word for word in visit.query.get("columns", "").split(",") if word]


class _Frame(NamedTuple):
    """The columns, and how each writes its values."""

    shelf: Shelf
    columns: Sequence[Column]
    digits: Sequence[int | None]
    """Significant digits of each column, by which its settings are told apart."""

    @classmethod
    def of(cls, shelf: Shelf, words: Sequence[str]) -> _Frame:
        columns = chosen(words, shelf.runs)
        settings = ([cell(run, one) for run in shelf.runs] if one.kind == "config" else [] for one in columns)
        return cls(shelf, columns, [digits_apart(values) for values in settings])

    @property
    def look(self) -> str:
        """Another word where a row by itself would not fit in with the others."""
        told = [(column.word, digits) for column, digits in zip(self.columns, self.digits, strict=True)]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:8]

    def answer(self, runs: Sequence[Held]) -> dict[str, Any]:
        """What a script is told of some of the runs."""
        newest = max((run.serial for run in self.shelf.runs), default=0)
        return {
            "seen": f"{self.shelf.epoch}-{newest}-{self.look}",
            "columns": [{"word": column.word, "label": column.label, "key": column.key} for column in self.columns],
            "runs": [self._row(run) for run in reversed(runs)],
        }

    def _row(self, run: Held) -> list[Any]:
        """Id, run id or display name, name, state, start, seconds, user, tags, sweep, note; then seconds as text, and
        of the chosen columns the texts, None where a value is its own, and the values.
        """
        note = body(run.row["notes"] or "")
        values = [cell(run, column) for column in self.columns]
        written = map(text_of, self.columns, values, self.digits)
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
            brief(note, SHOWN_NOTE),
            duration(run.seconds),
            [None if text == value else text for text, value in zip(written, values, strict=True)],
            values,
        ]
