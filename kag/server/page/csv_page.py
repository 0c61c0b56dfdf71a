"""What the table of runs shows, as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from starlette.responses import Response, StreamingResponse

from kag.server.page.columns import Column, cell
from kag.server.page.held import Held
from kag.server.page.narrowed import Narrowed
from kag.server.page.responses import HEADERS
from kag.server.page.runs_page import columns_of
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.text import spreadsheet
from kag.track.record import Scalar

FIXED = ("id", "name", "state", "started", "seconds", "by", "tags", "sweep", "notes")
AT_ONCE = 200
"""Rows that are written in one piece."""


def table(site: Site, visit: Visit) -> Response:
    """The runs that the filter leaves, the newest first, with the columns that are shown, at full precision."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
    columns = columns_of(shelf, visit)
    found = Narrowed(shelf, columns, visit.query).runs
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="runs.csv"'}
    return StreamingResponse(_pieces(found[::-1], columns), media_type="text/csv; charset=utf-8", headers=headers)


def _pieces(found: Sequence[Held], columns: Sequence[Column]) -> Iterator[str]:
    yield _lines([[*FIXED, *(column.key for column in columns)]])
    for start in range(0, len(found), AT_ONCE):
        yield _lines([[*_fixed(run), *(cell(run, column) for column in columns)] for run in found[start:][:AT_ONCE]])


def _fixed(run: Held) -> list[Scalar]:
    row = run.row
    started = datetime.fromtimestamp(row["created_at"], UTC).isoformat(timespec="seconds")
    told = (
        run.state,
        started,
        round(run.seconds, 3),
        row["user"],
        ", ".join(run.tags),
        row["sweep_name"],
        row["notes"],
    )
    return [run.name, run.title, *told]


def _lines(rows: Sequence[Sequence[Scalar]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([map(_text, row) for row in rows])
    return file.getvalue()


def _text(value: Scalar) -> Scalar:
    return spreadsheet(value) if isinstance(value, str) else value
