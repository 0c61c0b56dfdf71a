"""The rows that a document has and is to have: how many come, change and go, and what must not go unasked.

rows_of       the rows between the markers, by run
told_fixes    what a row says of a commit that git cannot look up here
Tally         3 rows came, 1 changed, 0 went
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from kag.changelog.cells import body, digest, unescape
from kag.changelog.markdown import parse, parted, verbatim_line
from kag.changelog.repository import NotKnown
from kag.changelog.rules.ending import NEXT_COMMIT, broken_file
from kag.changelog.siblings import Siblings
from kag.changelog.table import Row
from kag.errors import RecordError

_FIX = re.compile(rf"{NEXT_COMMIT} `(?P<commit>[0-9a-f]+)`")

Rows = Mapping[str, str]
"""Rows as they stand in a document, in their order, by the digest of their run's id."""


class Tally(NamedTuple):
    """What a write does to the rows of a table."""

    came: int = 0
    changed: int = 0
    went: int = 0
    kept: int = 0
    """Rows with notes that stay although the source has no such run."""

    def __str__(self) -> str:
        said = f"{self.came} row{'' if self.came == 1 else 's'} came, {self.changed} changed, {self.went} went"
        return f"{said}; {self.kept} with notes kept, whose runs this source does not have" if self.kept else said


def rows_of(region: str, siblings: Siblings) -> dict[str, str]:
    """The rows of a table; those of a hand-kept log, which have no mark, by the run that was made of them."""
    return {run: text for run, text in _lines(region, siblings) if run is not None}


def told_fixes(rows: Rows, siblings: Siblings) -> dict[tuple[str, str], str]:
    """(commit, file) -> the next commit that touched the file, as rows have it that git cannot look up here."""
    found: dict[tuple[str, str], str] = {}
    for entry in siblings.entries:
        record, file = entry.record, broken_file(entry.record)
        text = rows.get(digest(record.id)) or rows.get(digest(siblings.group(entry).id))
        if text and file and record.git and (record.git.commit, file) not in siblings.fixes:
            told = _FIX.search(parse(text).cells[-1])
            if told and (isinstance(siblings.between, NotKnown) or not siblings.between.has(told["commit"])):
                found[record.git.commit, file] = told["commit"]
    return found


def with_kept(rendered: str, before: Rows, shown: Sequence[Row], siblings: Siblings) -> tuple[str, int]:
    """A table in which rows with notes stay whose runs the source does not have, each below the row that it was below;
    and how many those are. Such a note is written nowhere else.
    """
    known, row_of = {digest(entry.id) for entry in siblings.entries}, _row_of(shown)
    below: dict[str | None, list[str]] = {}
    last: str | None = None
    for run, text in before.items():
        if run in known:
            last = row_of.get(run, last)
        elif _note(text):
            below.setdefault(last, []).append(text)
    if not below:
        return rendered, 0
    head, rows, foot = parted(rendered)
    lines = [*below.get(None, [])]
    for row, text in _lines(rows, siblings):
        lines += [text, *(below.get(row, []) if row else [])]
    return head + "".join(f"{text}\n" for text in lines) + foot, sum(map(len, below.values()))


def tally(before: Rows, after: Rows, shown: Iterable[Row], kept: int) -> Tally:
    """How the rows of a table differ from those before; a sweep stays a row whichever trial is its best, and a run that
    has come to have replicates stays one whichever of them began first.
    """
    row_of = _row_of(shown)
    return compared({row_of.get(run, run): text for run, text in before.items()}, after)._replace(kept=kept)


def compared(before: Mapping[str, object], after: Mapping[str, object]) -> Tally:
    """The same for rows of any kind, by what tells them apart."""
    changed = sum(row != before[name] for name, row in after.items() if name in before)
    return Tally(len(after.keys() - before.keys()), changed, len(before.keys() - after.keys()))


def require_kept(before: Rows, shown: Sequence[Row], siblings: Siblings, *, where: str, call: str) -> None:
    """Rows with notes do not go unasked because of another choice, nor all rows at once. Whoever archives a run asks.

    Args:
        before: rows as the document has them.
        shown: rows that were chosen for it.
        siblings: every run of the source.
        where: name of the document.
        call: the command that lets them go.

    Raises:
        RecordError: lists the rows.
    """
    archived = {digest(entry.id) for entry in siblings.entries if entry.record.archived}
    before = {run: text for run, text in before.items() if run not in archived}
    require_filled(before, shown, where=where, call=call)
    known, row_of = {digest(entry.id) for entry in siblings.entries}, _row_of(shown)
    going = [text for run, text in before.items() if run in known and run not in row_of and _note(text)]
    if going:
        listed = "\n".join(f"  {parse(text).cells[0]}: {_note(text)!r}" for text in going)
        raise _losing(f"rows that somebody has written at would go:\n{listed}", where, call)


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


def _lines(region: str, siblings: Siblings) -> Iterator[tuple[str | None, str]]:
    """Every line of a table, with the digest of its run; None for one that is of no run."""
    by_hand = {parse(text).cells: digest(entry.id) for entry in siblings.entries if (text := verbatim_line(entry))}
    for text in map(str.strip, region.split("\n")):
        if text.startswith("|"):
            line = parse(text)
            yield line.run or by_hand.get(line.cells), text


def _note(text: str) -> str:
    return body(unescape(parse(text).note))


def _row_of(rows: Iterable[Row]) -> dict[str, str]:
    """Digest of each run that is shown -> that of the run whose row shows it."""
    return {digest(one.id): digest(row.entry.id) for row in rows for one in row.runs}
