"""The rows that a document has and is to have: how many come, change and go, and what must not go unasked.

rows_of       the rows between the markers, by run
told_fixes    what a row says of a commit that git cannot look up here
Tally         3 rows came, 1 changed, 0 went
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from kag.changelog.cells import body, digest, unescape
from kag.changelog.entry import Siblings
from kag.changelog.markdown import Line, parse, verbatim_line
from kag.changelog.repository import NotKnown
from kag.changelog.rules.ending import NEXT_COMMIT, broken_file
from kag.changelog.table import Row
from kag.errors import RecordError

_FIX = re.compile(rf"{NEXT_COMMIT} `(?P<commit>[0-9a-f]+)`")

Rows = Mapping[str, Line]
"""Rows as they stand in a document, by the digest of their run's id."""


class Tally(NamedTuple):
    """What a write does to the rows of a table."""

    came: int = 0
    changed: int = 0
    went: int = 0

    def __str__(self) -> str:
        return f"{self.came} row{'' if self.came == 1 else 's'} came, {self.changed} changed, {self.went} went"


def rows_of(region: str, siblings: Siblings) -> dict[str, Line]:
    """The rows of a table; those of a hand-kept log, which have no mark, by the run that was made of them."""
    by_hand = {parse(text).cells: digest(entry.id) for entry in siblings.entries if (text := verbatim_line(entry))}
    lines = (parse(text) for text in region.split("\n") if text.strip().startswith("|"))
    named = ((line.run or by_hand.get(line.cells), line) for line in lines)
    return {run: line for run, line in named if run is not None}


def told_fixes(rows: Rows, siblings: Siblings) -> dict[tuple[str, str], str]:
    """(commit, file) -> the next commit that touched the file, as rows have it that git cannot look up here."""
    found: dict[tuple[str, str], str] = {}
    for record in (entry.record for entry in siblings.entries):
        line, file = rows.get(digest(record.id)), broken_file(record)
        if line and file and record.git and (record.git.commit, file) not in siblings.fixes:
            told = _FIX.search(line.cells[-1])
            if told and (isinstance(siblings.between, NotKnown) or not siblings.between.has(told["commit"])):
                found[record.git.commit, file] = told["commit"]
    return found


def tally(before: Rows, after: Rows, shown: Iterable[Row]) -> Tally:
    """How the rows of a table differ from those before; a sweep stays a row whichever trial is its best."""
    row_of = _row_of(shown)
    return compared({row_of.get(run, run): line for run, line in before.items()}, after)


def compared(before: Mapping[str, object], after: Mapping[str, object]) -> Tally:
    """The same for rows of any kind, by what tells them apart."""
    changed = sum(row != before[name] for name, row in after.items() if name in before)
    return Tally(len(after.keys() - before.keys()), changed, len(before.keys() - after.keys()))


def require_kept(before: Rows, shown: Sequence[Row], *, where: str, call: str) -> None:
    """Rows with notes do not go unasked, nor all rows at once.

    Args:
        before: rows as the document has them.
        shown: rows that it is to have.
        where: name of the document.
        call: the command that lets them go.

    Raises:
        RecordError: lists the rows.
    """
    row_of = _row_of(shown)
    going = [line for run, line in before.items() if run not in row_of and body(unescape(line.note))]
    if going:
        listed = "\n".join(f"  {line.cells[0]}: {body(unescape(line.note))!r}" for line in going)
        raise _losing(f"rows would go, and what was written at them:\n{listed}", where, call)
    require_filled(before, shown, where=where, call=call)


def require_filled(before: Collection[str], shown: Sequence[Row], *, where: str, call: str) -> None:
    """A filled table does not become an empty one unasked.

    Raises:
        RecordError: it would.
    """
    if before and not shown:
        raise _losing(f"the table would lose all of its rows, {len(before)}", where, call)


def _losing(what: str, where: str, call: str) -> RecordError:
    return RecordError(
        what, where=where, remedy=f"name the runs it is of (--source, --since, --tag); to let go: {call}"
    )


def _row_of(rows: Iterable[Row]) -> dict[str, str]:
    """Digest of each run that is shown -> that of the run whose row shows it."""
    return {digest(one.id): digest(row.entry.id) for row in rows for one in (row.entry, *row.trials)}
