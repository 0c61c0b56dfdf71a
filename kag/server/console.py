"""The console of a run, which may have millions of lines: pieces of it, searches in it, its errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select

from kag.server.history import IN_ORDER
from kag.server.runs import of_stream
from kag.server.store import highest
from kag.server.tables import OUTPUT, lines

LONGEST = 2_000
"""Letters of a line that are shown."""
MOST = 4_000
"""Lines of one piece: clients that share a run have lines of the same number."""

SEARCHED = 200_000
"""Lines that one request looks through."""

ERRORS = ("Traceback (most recent call last)", "Error: ", "Exception: ")
"""What a line holds that says of an error."""

_STAMP = re.compile(r"(ERROR )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)? ")
"""What clients write before a line: whether it went to the error output, and when."""
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[@-Z\\-_])")
"""Colours, moves of the cursor and titles of windows."""


class Line(NamedTuple):
    """A line as it is shown."""

    number: int
    """Counted from 1."""
    text: str
    time: str = ""
    """UTC, as the client wrote it; "" if it did not."""
    is_error_output: bool = False
    left_out: int = 0
    """Letters behind those that are shown."""
    writer: str = ""
    """Which of the clients that share the run wrote it."""


def read_line(number: int, body: str, *, letters: int | None = None, writer: str = "") -> Line:
    """A stored line without what only a terminal understands; of a bar that was written over, its last state.

    Args:
        number: counted from 1.
        body: what is stored, or its beginning.
        letters: how many all of it has.
        writer: see `Line`.
    """
    left_out = max(0, (len(body) if letters is None else letters) - LONGEST)
    stamp = _STAMP.match(body)
    text = _ANSI.sub("", body[stamp.end() if stamp else 0 : LONGEST]).rstrip("\r\n")
    text = text.rpartition("\r")[2]
    return Line(number, text, stamp[2] if stamp else "", bool(stamp and stamp[1]), left_out, writer)


def line_count(connection: Connection, run_id: int) -> int:
    """How many lines a run has written."""
    return highest(connection, lines.c.step, of_stream(run_id, OUTPUT)) + 1


def piece(connection: Connection, run_id: int, begin: int, end: int) -> list[Line]:
    """Lines `begin` to `end` - 1, counted from 0."""
    return _read(connection, run_id, (lines.c.step >= begin, lines.c.step < end), MOST)


def found(connection: Connection, run_id: int, text: str, begin: int, limit: int) -> list[Line]:
    """The first of the `SEARCHED` lines from `begin` on, counted from 0, that hold a text, in whatever case."""
    some = lines.c.step.between(begin, begin + SEARCHED - 1)
    return _read(connection, run_id, (some, _holds(connection, text)), limit)


def error_beside(connection: Connection, run_id: int, line: int, *, before: bool) -> int | None:
    """The nearest of the `SEARCHED` lines before or behind one, counted from 0, that tells of an error, or None."""
    errors = or_(*(_holds(connection, text) for text in ERRORS))
    first = line - SEARCHED if before else line + 1
    side = lines.c.step.between(first, first + SEARCHED - 1)
    order = lines.c.step.desc() if before else lines.c.step
    query = select(lines.c.step).where(of_stream(run_id, OUTPUT), side, errors).order_by(order).limit(1)
    step = connection.execute(query).scalar()
    return None if step is None else int(step)


def _holds(connection: Connection, text: str) -> ColumnElement[bool]:
    """Whether a line holds a text, in whatever case. SQLite's LIKE asks for none; ILIKE there takes thrice as long."""
    plain = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like = lines.c.body.like if connection.dialect.name == "sqlite" else lines.c.body.ilike
    return like(f"%{plain}%", escape="\\")


def _read(connection: Connection, run_id: int, where: Sequence[ColumnElement[bool]], limit: int) -> list[Line]:
    begin, letters = func.substr(lines.c.body, 1, LONGEST), func.length(lines.c.body)
    query = select(lines.c.step, begin, letters, lines.c.writer).where(of_stream(run_id, OUTPUT), *where)
    rows = connection.execute(query.order_by(*IN_ORDER).limit(limit))
    return [read_line(step + 1, body, letters=count, writer=writer) for step, body, count, writer in rows]
