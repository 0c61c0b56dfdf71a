"""The parts of a document that kag writes, each between a pair of markers. Everything outside stays, byte for byte.

<!-- kag:changelog:begin -->
(the table)
<!-- kag:changelog:end -->
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kag.changelog.cells import digest
from kag.changelog.marker import LISTS, TABLE, Marker, broken, marker, markers, place
from kag.errors import RecordError

NEW = """# Model change log

`kag changelog` writes the parts between the markers from the tracked runs; what stands outside them is kept as it is.
A note is yours: write behind the mark at the end of a row, or use `kag note RUN "..."`, and it stays with the run.

<!-- kag:changelog:begin -->
<!-- kag:changelog:end -->

## Recent structural changes

<!-- kag:structure:begin -->
<!-- kag:structure:end -->

## Next planned experiments

<!-- kag:planned:begin -->
<!-- kag:planned:end -->
"""
"""A document before its first table."""


class Content(NamedTuple):
    """What a region is to hold."""

    inside: str
    typed: str = ""
    """What a person typed into it: it goes below the end marker."""
    vouched: bool = True
    """Whether all of `inside` is known to be generated."""


@dataclass(frozen=True)
class Region:
    """What lies between a pair of markers."""

    begin: Marker
    last: Marker
    first_line: int
    """Number of the line after the begin marker, counted from 1."""

    @property
    def start(self) -> int:
        """Offset of the line after the begin marker."""
        return self.begin.line[1]

    @property
    def end(self) -> int:
        """Offset of the line of the end marker."""
        return self.last.line[0]

    def inside(self, text: str) -> str:
        """What stands there, with plain line ends and no blank line around it."""
        return text[self.start : self.end].replace("\r\n", "\n").strip("\n")

    def is_as_printed(self, text: str) -> bool:
        """Whether it is what the end marker says was printed."""
        return self.last.printed == digest(self.inside(text))


def regions(text: str, *, where: str) -> dict[str, Region]:
    """The marked regions of a document; the table's is always among them.

    Raises:
        RecordError: a marker is misspelt, not alone on its line, without its other half, repeated or inside another
            region; or there is none for the table.
    """
    found: dict[str, Region] = {}
    begin: Marker | None = None
    for one in markers(text, where):
        at = place(text, one.line[0], where)
        if not one.is_end and (begin or one.section in found):
            how = "twice" if one.section in found else "inside another one"
            raise broken(f"the region {one.section!r} begins {how}", at)
        if one.is_end and (begin is None or begin.section != one.section):
            raise broken(f"the region {one.section!r} ends without having begun", at)
        if begin is not None:
            found[one.section] = Region(begin, one, text.count("\n", 0, begin.line[1]) + 1)
        begin = None if one.is_end else one
    if begin is not None:
        raise broken(f"the region {begin.section!r} does not end", place(text, begin.line[1], where))
    if TABLE not in found:
        raise RecordError(
            "has no place for the table",
            where=where,
            remedy=f"put two lines where the table shall stand: {marker(TABLE, 'begin')} and {marker(TABLE, 'end')}",
        )
    return found


def replaced(text: str, found: Mapping[str, Region], contents: Mapping[str, Content]) -> str:
    """The document with new contents in its regions; one in which nothing changes stays byte for byte."""
    parts: list[str] = []
    position = 0
    for section, region in sorted(found.items(), key=lambda pair: pair[1].start):
        content = contents[section]
        inside, typed = content.inside.strip("\n"), content.typed.strip("\n")
        if region.inside(text) == inside and not typed:
            continue
        line_end = "\r\n" if text[: region.start].endswith("\r\n") else "\n"
        parts += [text[position : region.start], f"\n{inside}\n\n".replace("\n", line_end)]
        position = region.end
        if section in LISTS and content.vouched:
            parts += [text[position : region.last.span[0]], _printed(region.last, inside)]
            position = region.last.span[1]
        if typed:
            parts += [text[position : region.last.line[1]].rstrip("\r\n"), f"\n\n{typed}".replace("\n", line_end)]
            parts += [line_end] if region.last.line[1] < len(text) or text.endswith("\n") else []
            position = region.last.line[1]
    return "".join([*parts, text[position:]])


def keeping(text: str, metrics: Sequence[str] = (), seeds: Sequence[str] = (), *, where: str) -> str:
    """The document with metrics, and seeds, in the marker of its table in place of those that were kept there.

    Args:
        text: the document.
        metrics: as a person wrote them; without any, those that are kept stay.
        seeds: settings of another program; without any, those that are kept stay.
        where: the document's name.

    Raises:
        RecordError: as `regions`.
    """
    begin = regions(text, where=where)[TABLE].begin
    start, end = begin.span
    return text[:start] + marker(TABLE, "begin", metrics or begin.metrics, seeds=seeds or begin.seeds) + text[end:]


def unified_diff(before: str, after: str, name: str) -> str:
    """What would change, as `diff -u` has it; empty if nothing."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=f"{name} (generated)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _printed(end: Marker, content: str) -> str:
    """An end marker with the digest of what stands before it now."""
    return marker(end.section, "end", printed=digest(content.strip("\n")))
