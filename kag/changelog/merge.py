"""What a person changed inside the markers: notes go back to their runs, what was typed into the lists
below it goes outside them, and everything else is refused with both texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from kag.changelog.cells import body, digest, unescape
from kag.changelog.columns import headings
from kag.changelog.entry import Entry
from kag.changelog.markdown import (
    Line,
    foot_as_printed,
    generated_cells,
    headings_digest,
    is_archived_line,
    parse,
    parse_head,
    verbatim_line,
)
from kag.changelog.siblings import Siblings
from kag.changelog.table import table
from kag.errors import RecordError
from kag.track.markdown import COLUMNS

_RULER = re.compile(r"\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?")


def edits(region: str, siblings: Siblings, *, where: str, first_line: int = 1) -> dict[str, str]:
    """Run id -> note, for every note that was changed in the table and not in the run.

    Three texts are compared: the note as it was printed (its digest stands in the mark), as the table has it now, and
    as the run has it now.

    Args:
        region: what stands between the markers.
        siblings: every run of the source.
        where: name of the document.
        first_line: line of the document on which the region begins.

    Raises:
        RecordError: lists every conflict, with both texts: a note changed in both places, a generated cell changed by
            hand, a row of no known run, a line that is no row.
    """
    by_digest = {digest(entry.id): entry for entry in siblings.entries}
    by_hand = {parse(written).cells for entry in siblings.entries if (written := verbatim_line(entry))}
    changed: dict[str, str] = {}
    conflicts: list[str] = []
    header = headings_digest(COLUMNS)
    for number, text in enumerate(region.split("\n"), start=first_line):
        if (head := parse_head(text)) is not None:
            header = head.headings
            conflicts += [] if head.as_printed else [f"line {number}: the line above the table was changed by hand"]
            continue
        if (as_printed := foot_as_printed(text)) is not None:
            conflicts += [] if as_printed else [f"line {number}: a line below the table was changed by hand"]
            continue
        if is_archived_line(text) or not _is_row(text, header):
            continue
        line = parse(text)
        entry = by_digest.get(line.run or "")
        if not text.strip().startswith("|"):
            conflicts.append(f"line {number}: {text!r} is no row of the table; text belongs outside the markers")
        elif entry is not None:
            conflicts += _changed_cells(line, entry, siblings, number)
            conflicts += _take_note(line, entry, changed, number)
        elif line.run is not None:
            conflicts += _lost(line, number)
        elif line.cells not in by_hand:
            conflicts.append(_no_run(line, number))
    if conflicts:
        raise RecordError(
            "the table was changed in a way that cannot be merged:\n" + "\n".join(f"  {text}" for text in conflicts),
            where=where,
            remedy="settle these rows by hand (a note goes behind the mark of its row), then write again",
        )
    return changed


def typed(before: str, is_own: Callable[[str], bool]) -> tuple[str, list[str]]:
    """What a person has typed into a generated list, its paragraphs apart, and the lines that kag wrote.

    Args:
        before: the list as it stands.
        is_own: whether kag may have written a line.
    """
    lines = before.split("\n")
    mine = [number for number, line in enumerate(lines) if line.strip() and not is_own(line.strip())]
    gaps = ("\n" if number - 1 in mine else "\n\n" for number in mine)
    text = "".join(f"{gap}{lines[number]}" for gap, number in zip(gaps, mine, strict=True)).strip("\n")
    return text, [line.strip() for line in lines if line.strip() and is_own(line.strip())]


def _is_row(text: str, header: str) -> bool:
    """Whether a line is none of those that every table has: blank, the header (by its digest), the ruler."""
    text = text.strip()
    is_header = COLUMNS[0] in text[:40] and headings_digest(parse(text).cells) == header
    return bool(text) and not is_header and not _RULER.fullmatch(text)


def _take_note(line: Line, entry: Entry, changed: dict[str, str], number: int) -> list[str]:
    """Put a changed note into `changed`, or say why it cannot be."""
    found, now = body(unescape(line.note)), body(entry.notes)
    if found == now:
        return []
    # A run that has none any more may be one that was lost with its notes; who means that deletes the note here, too.
    if digest(found) == line.printed_note and (now or not found):
        return []
    if (not now or digest(now) == line.printed_note) and changed.setdefault(entry.id, found) == found:
        return []
    other = changed.get(entry.id, now)
    return [f"line {number}: two notes of run {entry.id}:\n    in the table: {found!r}\n    in the run:   {other!r}"]


def _changed_cells(line: Line, entry: Entry, siblings: Siblings, number: int) -> list[str]:
    if line.as_printed:
        return []
    now = next((generated_cells(row) for row in table(siblings) if row.entry.id == entry.id), None)
    if now is not None and line.cells == parse(Line(now).text()).cells:
        return []
    named = headings(siblings.metrics)
    pairs = zip(named, line.cells, now or named, strict=False)
    texts = [
        f"    {name}\n      in the table: {found}\n      generated:    {own}"
        for name, found, own in pairs
        if found != own
    ]
    return [f"line {number}: generated text of run {entry.id} was changed by hand:\n" + "\n".join(texts)]


def _lost(line: Line, number: int) -> list[str]:
    """A row whose run is gone may go too, unless something was changed in it here."""
    what = "row" if not line.as_printed else "note"
    if what == "note" and digest(body(unescape(line.note))) == line.printed_note:
        return []
    return [f"line {number}: the {what} of {line.cells[0]} was changed, but the source has no such run: {line.note!r}"]


def _no_run(line: Line, number: int) -> str:
    return (
        f"line {number}: {line.cells[0]!r} has no mark of a run; "
        "`kag changelog import` takes over rows that were written by hand"
    )
