"""The table of a project's runs: its frame as HTML, its rows as values that a script draws and keeps up to date."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Connection
from starlette.responses import Response

from kag.changelog.cells import body
from kag.server.json_entries import cuts
from kag.server.page.columns import (
    NEWEST,
    Column,
    Form,
    catalogue,
    cell,
    chosen,
    column_of,
    form_of,
    groupings,
    text_of,
)
from kag.server.page.first_rows import NEWEST_FIRST, first_in_order
from kag.server.page.held import Held
from kag.server.page.narrowed import APART, Narrowed, asked
from kag.server.page.responses import data, events, moved, nothing_new
from kag.server.page.saved_views import NONE, SAVED, opening, views_of
from kag.server.page.site import Shelf, Site
from kag.server.page.templates import brief
from kag.server.page.values import CutOut, Read, Values
from kag.server.page.visit import Visit
from kag.text import duration
from kag.view.colour import colour_of

SHOWN_NOTE = 120
"""Letters of a note in the table."""


AT_ONCE = 1_000
"""Runs up to which the page comes with every row; of more it comes with the first, and a script asks for the rest."""

FIRST = 100
"""Rows of such a page: more than a window shows."""


def table(site: Site, visit: Visit) -> Response:
    """The page, with every row in it, or with as many as nobody has to wait for."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        named, first = views_of(connection, shelf.row["id"]), opening(connection, shelf.row["id"])
        if first is not None and not visit.query:
            return moved(f"{shelf.path}?{first}")
        brief_answer = _first_rows(connection, shelf, visit) if len(shelf.runs) > AT_ONCE else None
    answer = brief_answer or _Frame.of(shelf, visit).answer(shelf.runs, now=visit.now)
    known = shelf.runs[-NEWEST:] if brief_answer else shelf.runs
    shown: dict[str, Any] = {"table": answer, "groupings": groupings(known)}
    shown |= {"saved_views": named, "saved": visit.query.get(SAVED, NONE)}
    return site.page("runs.html", visit, shelf=shelf, section="runs", **shown)


def _first_rows(connection: Connection, shelf: Shelf, visit: Visit) -> dict[str, Any] | None:
    """The first rows by themselves: of the other runs is read what the filter and the order ask for, and no more.

    A script that knows these asks for all. None where it takes all of the runs to say which rows come first: of groups,
    and in an order of words, which is the browser's.
    """
    if column_of(visit.query.get("group", "")) is not None:
        return None
    columns = columns_of(shelf, visit)
    values = _values(connection, shelf)
    fitting = Narrowed(shelf, columns, visit.query, values).runs
    first = first_in_order(fitting, visit.query.get("sort") or NEWEST_FIRST, columns, FIRST, values)
    if first is None:
        return None
    runs = sorted(first, key=lambda run: (run.row["created_at"], run.number))
    apart = Narrowed(replace(shelf, known=shelf.known._replace(runs=runs)), columns, {"group": APART})
    answer = _Frame.among(apart).answer(runs, now=visit.now)
    return answer | {"fits": None, "seen": "", "total": len(fitting)}


def _values(connection: Connection, shelf: Shelf) -> Values:
    """Cut out by the database, unless most runs have been read before: then there is nothing left to be saved."""
    if cuts(connection) and sum(not run.is_read for run in shelf.runs) > AT_ONCE:
        return CutOut(connection, shelf.row["id"], shelf.runs)
    return Read(shelf.runs)


def changed(site: Site, visit: Visit) -> Response:
    """The runs that have changed after a state of the table that the script knows; all of them for other columns.

    With `anew` it is told which runs fit and what groups they make, even if none has changed.
    """
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
    if visit.query.get("catalogue"):
        return data(catalogue(shelf.runs))
    seen = _Seen.read(visit.query.get("seen", ""))
    fresh = shelf.runs if seen is None else seen.fresh(shelf)
    if seen is not None and not fresh and not seen.lacks_removal(shelf) and not visit.query.get("anew"):
        return nothing_new()
    frame = _Frame.of(shelf, visit)
    whole = seen is None or seen.lacks_removal(shelf) or seen.look != frame.look
    return data(frame.answer(shelf.runs if whole else fresh, now=visit.now) | {"whole": whole})


def news(site: Site, visit: Visit) -> Response:
    """Tells the pages of a project when something has changed."""
    with site.store.read() as connection:
        number = visit.project(connection)["id"]
    return events(site.news.stream(number))


class _Seen(NamedTuple):
    """The state of the table that a script knows."""

    seq: int
    """Number of the last change that it was told."""
    at: float
    """When that was: runs that have fallen silent since are shown in another state, without a change."""
    look: str

    @classmethod
    def read(cls, word: str) -> _Seen | None:
        """As it was told; None if the script knows nothing, or what no server has told it."""
        found = re.fullmatch(r"(\d{1,18})-(\d{1,12}(?:\.\d{1,9})?)-([0-9a-f]{8})", word, re.ASCII)
        return cls(int(found[1]), float(found[2]), found[3]) if found else None

    def __str__(self) -> str:
        return f"{self.seq}-{self.at:.6f}-{self.look}"

    def lacks_removal(self, shelf: Shelf) -> bool:
        """Whether runs are gone since, or it was told by a database that was there before this one."""
        return self.seq < shelf.known.removed or self.seq > shelf.known.seq

    def fresh(self, shelf: Shelf) -> list[Held]:
        """The runs that have changed since."""
        before = shelf.watched.project.patience.shown_state
        return [run for run in shelf.runs if run.changed > self.seq or before(run.row, now=self.at) != run.state]


def columns_of(shelf: Shelf, visit: Visit) -> Sequence[Column]:
    """The columns that an address asks for, or the default ones."""
    return chosen([word for word in visit.query.get("columns", "").split(",") if word], shelf.runs)


class _Frame(NamedTuple):
    """The columns, and how each writes its values."""

    narrowed: Narrowed
    columns: Sequence[Column]
    forms: Sequence[Form]
    """How each writes its numbers."""

    @classmethod
    def of(cls, shelf: Shelf, visit: Visit) -> _Frame:
        return cls.among(Narrowed(shelf, columns_of(shelf, visit), visit.query))

    @classmethod
    def among(cls, narrowed: Narrowed) -> _Frame:
        """Numbers are written so that those of all runs of the project fit in with one another."""
        runs = narrowed.shelf.runs
        forms = [form_of(one, [cell(run, one) for run in runs]) for one in narrowed.columns]
        return cls(narrowed, narrowed.columns, forms)

    @property
    def look(self) -> str:
        """Another word where a row by itself would not fit in with the others."""
        told = [(column.word, form) for column, form in zip(self.columns, self.forms, strict=True)]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:8]

    def answer(self, runs: Sequence[Held], *, now: float) -> dict[str, Any]:
        """What a script is told of some of the runs, and of all of them which fit and what groups they make."""
        narrowed = self.narrowed
        return {
            "seen": str(_Seen(narrowed.shelf.known.seq, now, self.look)),
            "asked": asked(narrowed.words),
            "columns": [{"word": column.word, "label": column.label, "key": column.key} for column in self.columns],
            "runs": [self._row(run) for run in reversed(runs)],
            "fits": [run.name for run in narrowed.runs] if narrowed.filtered else None,
            "groups": narrowed.rows(self.forms),
        }

    def _row(self, run: Held) -> list[Any]:
        """Id, run id or display name, name, state, start, seconds, user, tags, sweep, note, seconds as text, the place
        of its colour; then of the chosen columns the texts, None where a value is its own, and the values.
        """
        note = body(run.row["notes"] or "")
        values = [cell(run, column) for column in self.columns]
        written = map(text_of, self.columns, values, self.forms)
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
            colour_of(self.narrowed.ledger.record(run).id),
            [None if text == value else text for text, value in zip(written, values, strict=True)],
            values,
        ]
