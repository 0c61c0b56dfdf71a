"""The parts of a document that kag writes, each between a pair of markers. Everything outside stays, byte for byte.

<!-- kag:changelog:begin -->
(the table)
<!-- kag:changelog:end -->

A marker may carry words, `NAME=VALUE`. `printed` in the end marker of a list is the digest of the list as it was
printed: it tells a list that a person has typed into. A marker is a line of its own; one inside a block of code, a
list, a quote or back-ticks is text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from markdown_it import MarkdownIt

from kag.changelog.cells import digest
from kag.errors import RecordError

TABLE, STRUCTURE, PLANNED = "changelog", "structure", "planned"
SECTIONS = (TABLE, STRUCTURE, PLANNED)
LISTS = (STRUCTURE, PLANNED)
"""Regions whose lines carry no digests of their own, as the rows of the table do."""

BYTE_ORDER_MARK = "\ufeff"

PRINTED = "printed"
"""Word of an end marker."""

_ANY_MARKER = re.compile(r"(?<!`)<!--\s*kag:.*?(?:-->|$)", re.MULTILINE)
_MARKER = re.compile(r"<!-- kag:(?P<section>[a-z]+):(?P<end>begin|end)(?P<words>(?: [a-z]+=[^\s>]*)*) -->")
_LONE_RETURN = re.compile(r"\r(?!\n)")

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


Words = tuple[tuple[str, str], ...]
"""Names and values, in order; a name may come several times."""


@dataclass(frozen=True)
class Marker:
    """A line that begins or ends a region."""

    section: str
    is_end: bool
    words: Words
    line: tuple[int, int]
    """Offsets of its line and of the next one."""
    span: tuple[int, int]
    """Offsets of the marker itself, without blanks around it."""


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
        return (PRINTED, digest(self.inside(text))) in self.last.words


def regions(text: str, *, where: str) -> dict[str, Region]:
    """The marked regions of a document; the table's is always among them.

    Raises:
        RecordError: a marker is misspelt, not alone on its line, without its other half, repeated or inside another
            region; or there is none for the table.
    """
    found: dict[str, Region] = {}
    begin: Marker | None = None
    for one in _markers(text, where):
        place = _place(text, one.line[0], where)
        if not one.is_end and (begin or one.section in found):
            how = "twice" if one.section in found else "inside another one"
            raise _broken(f"the region {one.section!r} begins {how}", place)
        if one.is_end and (begin is None or begin.section != one.section):
            raise _broken(f"the region {one.section!r} ends without having begun", place)
        if begin is not None:
            found[one.section] = Region(begin, one, text.count("\n", 0, begin.line[1]) + 1)
        begin = None if one.is_end else one
    if begin is not None:
        raise _broken(f"the region {begin.section!r} does not end", _place(text, begin.line[1], where))
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


def unified_diff(before: str, after: str, name: str) -> str:
    """What would change, as `diff -u` has it; empty if nothing."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), fromfile=name, tofile=f"{name} (generated)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def marker(section: str, end: str, words: Words = ()) -> str:
    """The line that begins or ends a region."""
    said = "".join(f" {name}={quote(value, safe='/:,+@')}" for name, value in words)
    return f"<!-- kag:{section}:{end}{said} -->"


def _printed(end: Marker, content: str) -> str:
    """An end marker with the digest of what stands before it now; its other words stay."""
    others = tuple(word for word in end.words if word[0] != PRINTED)
    return marker(end.section, "end", (*others, (PRINTED, digest(content.strip("\n")))))


def _markers(text: str, where: str) -> Iterator[Marker]:
    lines = _plain_lines(text)
    for found in _ANY_MARKER.finditer(text):
        if text.count("\n", 0, found.start()) not in lines:
            continue
        exact = _MARKER.fullmatch(found[0])
        line_start = text.rfind("\n", 0, found.start()) + 1
        line_end = text.find("\n", found.end())
        after = len(text) if line_end < 0 else line_end + 1
        place = _place(text, found.start(), where)
        words = _words(exact["words"]) if exact else ()
        if exact is None or exact["section"] not in SECTIONS or not all(map(_is_sound, words)):
            known = [marker(section, end) for section in SECTIONS for end in ("begin", "end")]
            nearest = difflib.get_close_matches(found[0], known, n=1)
            raise _broken(f"{found[0]!r} is no marker of kag", place, next(iter(nearest), None))
        if text[line_start:after].removeprefix(BYTE_ORDER_MARK).strip() != found[0]:
            raise _broken(f"{found[0]} does not stand alone on its line", place)
        yield Marker(exact["section"], exact["end"] == "end", words, (line_start, after), found.span())


def _words(said: str) -> Words:
    return tuple((name, unquote(value)) for name, _, value in (word.partition("=") for word in said.split()))


def _is_sound(word: tuple[str, str]) -> bool:
    """Whether nobody has typed into a word that kag wrote."""
    return word[0] != PRINTED or re.fullmatch("[0-9a-f]{12}", word[1]) is not None


def _plain_lines(text: str) -> set[int]:
    """Numbers, from 0, of the lines in which markdown has neither code nor a list nor a quote."""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    blocks = parser.parse(_LONE_RETURN.sub(" ", text.removeprefix(BYTE_ORDER_MARK)))
    plain = (block.map for block in blocks if (block.type, block.level) in (("html_block", 0), ("inline", 1)))
    return {line for first_and_end in plain if first_and_end for line in range(*first_and_end)}


def _place(text: str, offset: int, where: str) -> str:
    return f"{where}:{text.count(chr(10), 0, offset) + 1}"


def _broken(what: str, where: str, nearest: str | None = None) -> RecordError:
    return RecordError(
        what, where=where, nearest=nearest, remedy="mend the markers; nothing is written while they are broken"
    )
