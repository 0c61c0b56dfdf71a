"""The parts of a document that kag writes, each between a pair of markers. Everything outside stays, byte for byte.

<!-- kag:changelog:begin metric=val/accuracy:max metric=loss -->
(the table)
<!-- kag:changelog:end -->

Metrics that a person asked for are kept in the marker of the table; without them kag chooses.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kag.changelog.kept import PATTERN, asked, kept, meant
from kag.errors import RecordError

TABLE, STRUCTURE, PLANNED = "changelog", "structure", "planned"
SECTIONS = (TABLE, STRUCTURE, PLANNED)

_ANY_MARKER = re.compile(r"<!--\s*kag:.*?(?:-->|$)", re.MULTILINE)
_MARKER = re.compile(rf"<!-- kag:(?P<section>[a-z]+):(?:(?P<end>end)|begin(?P<kept>{PATTERN})) -->")

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


@dataclass(frozen=True)
class Region:
    """What lies between a pair of markers."""

    start: int
    """Offset of the line after the begin marker."""
    end: int
    """Offset of the line of the end marker."""
    first_line: int
    """Number of that first line, counted from 1."""
    metrics: tuple[str, ...] = ()
    """Of the table: those that are kept in its marker, as a person wrote them."""


def regions(text: str, *, where: str) -> dict[str, Region]:
    """The marked regions of a document; the table's is always among them.

    Raises:
        RecordError: a marker is misspelt, not alone on its line, without its other half, repeated or inside another
            region; or there is none for the table.
    """
    found: dict[str, Region] = {}
    open_section, start, metrics = "", 0, tuple[str, ...]()
    for section, end, kept_there, offset, after in _markers(text, where):
        place = _place(text, offset, where)
        if not end and (open_section or section in found):
            raise _broken(
                f"the region {section!r} begins {'twice' if section in found else 'inside another one'}", place
            )
        if end and open_section != section:
            raise _broken(f"the region {section!r} ends without having begun", place)
        if end:
            found[section] = Region(start, offset, text.count("\n", 0, start) + 1, metrics)
        open_section, start, metrics = ("" if end else section), after, kept_there
    if open_section:
        raise _broken(f"the region {open_section!r} does not end", _place(text, start, where))
    if TABLE not in found:
        raise RecordError(
            "has no place for the table",
            where=where,
            remedy=f"put two lines where the table shall stand: {marker(TABLE, 'begin')} and {marker(TABLE, 'end')}",
        )
    return found


def replaced(text: str, contents: Mapping[str, str], *, where: str) -> str:
    """The document with new contents in its regions; contents without a region are left out.

    Raises:
        RecordError: as `regions`.
    """
    line_end = "\r\n" if "\r\n" in text else "\n"
    parts: list[str] = []
    position = 0
    for section, region in sorted(regions(text, where=where).items(), key=lambda pair: pair[1].start):
        parts += [text[position : region.start], _framed(contents[section]).replace("\n", line_end)]
        position = region.end
    return "".join([*parts, text[position:]])


def keeping(text: str, metrics: Sequence[str], *, where: str) -> str:
    """The document with metrics in the marker of its table in place of those that were kept there.

    Raises:
        RecordError: as `regions`.
    """
    before = text[: regions(text, where=where)[TABLE].start]
    line_start = before.rstrip("\r\n").rfind("\n") + 1
    line = _ANY_MARKER.sub(lambda _: marker(TABLE, "begin", metrics), before[line_start:])
    return before[:line_start] + line + text[len(before) :]


def unified_diff(before: str, after: str, name: str) -> str:
    """What would change, as `diff -u` has it; empty if nothing."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=f"{name} (generated)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def marker(section: str, end: str, metrics: Sequence[str] = ()) -> str:
    """The line that begins or ends a region; that of the table keeps the metrics that were asked for."""
    return f"<!-- kag:{section}:{end}{kept(metrics)} -->"


class _Marker(NamedTuple):
    section: str
    ends: bool
    metrics: tuple[str, ...]
    """Those that it keeps."""
    offset: int
    """Of its line."""
    after: int
    """Of the next line."""


def _markers(text: str, where: str) -> Iterator[_Marker]:
    for found in _ANY_MARKER.finditer(text):
        exact = _MARKER.fullmatch(found[0])
        metrics = asked(exact["kept"] or "") if exact else None
        line_start = text.rfind("\n", 0, found.start()) + 1
        line_end = text.find("\n", found.end())
        after = len(text) if line_end < 0 else line_end + 1
        place = _place(text, found.start(), where)
        if exact is None or metrics is None or exact["section"] not in SECTIONS[: 1 if metrics else None]:
            known = [marker(section, end) for section in SECTIONS for end in ("begin", "end")]
            known.append(marker(TABLE, "begin", meant(found[0])))
            nearest = difflib.get_close_matches(found[0], known, n=1)
            raise _broken(f"{found[0]!r} is no marker of kag", place, next(iter(nearest), None))
        if text[line_start:after].strip() != found[0]:
            raise _broken(f"{found[0]} does not stand alone on its line", place)
        yield _Marker(exact["section"], exact["end"] == "end", metrics, line_start, after)


def _framed(content: str) -> str:
    return f"\n{content.strip(chr(10))}\n\n"


def _place(text: str, offset: int, where: str) -> str:
    return f"{where}:{text.count(chr(10), 0, offset) + 1}"


def _broken(what: str, where: str, nearest: str | None = None) -> RecordError:
    return RecordError(
        what, where=where, nearest=nearest, remedy="mend the markers; nothing is written while they are broken"
    )
