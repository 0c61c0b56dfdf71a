"""The lines between which kag writes in a document, and what they carry.

    <!-- kag:changelog:begin metric=val/accuracy:max metric=loss seed=init.rng -->
    <!-- kag:structure:end printed=0123456789ab -->

The begin of the table keeps the metrics that a person asked for, and the settings named as seeds of another program;
without any, kag chooses. The end of a list holds the
digest of the list as it was printed, which tells a list that a person has typed into. A marker is a line of its own;
one inside a block of code, a list, a quote or back-ticks is text. What a comment or a marker could end at is written as
in an address: `%20`, `%3A`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

from markdown_it import MarkdownIt

from kag.errors import RecordError
from kag.view.metrics import asked_word

TABLE, STRUCTURE, PLANNED = "changelog", "structure", "planned"
SECTIONS = (TABLE, STRUCTURE, PLANNED)
LISTS = (STRUCTURE, PLANNED)
"""Regions whose lines carry no digests of their own, as the rows of the table do."""

BYTE_ORDER_MARK = "\ufeff"

_ANY = re.compile(r"(?<!`)<!--\s*kag:.*?(?:-->|$)", re.MULTILINE)
_EXACT = re.compile(
    r"<!-- kag:(?P<section>[a-z]+):(?:begin(?P<metrics>(?: metric=[^\s<>]+)*)(?P<seeds>(?: seed=[^\s<>]+)*)"
    r"|(?P<end>end)(?: printed=(?P<printed>[0-9a-f]{12}))?) -->"
)
_PLAIN = "/._-@"
"""What the name of a metric or a setting may hold as it is, beside letters and digits."""
_SUFFIXES = ("max", "min", "best", "last")
_WORD = re.compile(r"([^\s=<>]+)=([^\s=<>]+)(?=\s|-->|$)")
_LONE_RETURN = re.compile(r"\r(?!\n)")


@dataclass(frozen=True)
class Marker:
    """A line that begins or ends a region."""

    section: str
    is_end: bool
    metrics: tuple[str, ...]
    """Those that it keeps, as a person wrote them."""
    seeds: tuple[str, ...]
    """Settings that it keeps as seeds of another program."""
    printed: str | None
    """Digest of the list that was printed before it."""
    line: tuple[int, int]
    """Offsets of its line and of the next one."""
    span: tuple[int, int]
    """Offsets of the marker itself, without blanks around it."""


def marker(
    section: str, end: str, metrics: Sequence[str] = (), printed: str | None = None, *, seeds: Sequence[str] = ()
) -> str:
    """The line that begins or ends a region."""
    kept = [*(f" metric={_kept(word)}" for word in metrics), *(f" seed={_quoted(key)}" for key in seeds)]
    said = "".join([*kept, *([f" printed={printed}"] if printed else [])])
    return f"<!-- kag:{section}:{end}{said} -->"


def markers(text: str, where: str) -> Iterator[Marker]:
    """The markers of a document, in order.

    Raises:
        RecordError: one is misspelt, or not alone on its line.
    """
    lines = _plain_lines(text)
    for found in _ANY.finditer(text):
        if text.count("\n", 0, found.start()) not in lines:
            continue
        line_start = text.rfind("\n", 0, found.start()) + 1
        line_end = text.find("\n", found.end())
        after = len(text) if line_end < 0 else line_end + 1
        exact = _EXACT.fullmatch(found[0])
        kept = _asked(exact["metrics"] or "", exact["seeds"] or "") if exact else None
        if exact is None or kept is None or not _belongs(exact["section"], kept, exact["printed"]):
            raise broken(f"{found[0]!r} is no marker of kag", place(text, found.start(), where), _nearest(found[0]))
        if text[line_start:after].removeprefix(BYTE_ORDER_MARK).strip() != found[0]:
            raise broken(f"{found[0]} does not stand alone on its line", place(text, found.start(), where))
        is_end = exact["end"] is not None
        yield Marker(exact["section"], is_end, *kept, exact["printed"], (line_start, after), found.span())


def place(text: str, offset: int, where: str) -> str:
    """The line of an offset, as an error names it."""
    return f"{where}:{text.count(chr(10), 0, offset) + 1}"


def broken(what: str, where: str, nearest: str | None = None) -> RecordError:
    """What is said of markers that nobody can write between."""
    remedy = "mend the markers; nothing is written while they are broken"
    return RecordError(what, where=where, nearest=nearest, remedy=remedy)


def _belongs(section: str, kept: Sequence[Sequence[str]], printed: str | None) -> bool:
    return section in SECTIONS and (not any(kept) or section == TABLE) and (printed is None or section in LISTS)


def _asked(metrics: str, seeds: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The metrics and the seeds that are kept in two texts; None where that is not what kag writes."""
    asked, named = (tuple(unquote(one.partition("=")[2]) for one in text.split()) for text in (metrics, seeds))
    written = marker(TABLE, "begin", asked, seeds=named)
    return (asked, named) if written == marker(TABLE, f"begin{metrics}{seeds}") else None


def _kept(word: str) -> str:
    name, *rest = asked_word(word)
    return ":".join([_quoted(name), *(one for one in rest if one)])


def _quoted(name: str) -> str:
    return quote(name, safe=_PLAIN).replace("--", "-%2D")


def _nearest(written: str) -> str | None:
    """The marker that a misspelt one may mean."""
    words = [(_is_seed(what), name) for what, name in _WORD.findall(written)]
    metrics, seeds = ([name for seed, name in words if seed is kind] for kind in (False, True))
    meant = marker(TABLE, "begin", [*map(_mended, metrics)], seeds=[*map(unquote, seeds)])
    known = [*(marker(section, end) for section in SECTIONS for end in ("begin", "end")), meant]
    return next(iter(difflib.get_close_matches(written, known, n=1)), None)


def _is_seed(what: str) -> bool:
    """Whether the word before a sign of equality means `seed` rather than `metric`."""
    return difflib.get_close_matches(what, ("metric", "seed"), n=1, cutoff=0.0) == ["seed"]


def _mended(word: str) -> str:
    name, *rest = unquote(word).split(":")
    close = [difflib.get_close_matches(one, _SUFFIXES, n=1, cutoff=0.4) for one in rest]
    return ":".join([name, *(one[0] for one in close if one)])


def _plain_lines(text: str) -> set[int]:
    """Numbers, from 0, of the lines in which markdown has neither code nor a list nor a quote."""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    blocks = parser.parse(_LONE_RETURN.sub(" ", text.removeprefix(BYTE_ORDER_MARK)))
    plain = (block.map for block in blocks if (block.type, block.level) in (("html_block", 0), ("inline", 1)))
    return {line for first_and_end in plain if first_and_end for line in range(*first_and_end)}
