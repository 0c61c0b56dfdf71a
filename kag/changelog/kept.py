"""Metrics that a person asked for, as the marker of a table keeps them: ` metric=val/accuracy:max metric=loss`.

What a comment or a marker could end at is written as in an address: `%20`, `%3A`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from kag.view.metrics import asked_word

PATTERN = r"(?: metric=[^\s<>]+)*"
"""What may stand in the marker behind its name."""

_PLAIN = "/._-@"
"""What a name may hold as it is, beside letters and digits."""
_SUFFIXES = ("max", "min", "best", "last")
_WORD = re.compile(r"[^\s=<>]+(?=\s|-->|$)")


def kept(metrics: Sequence[str]) -> str:
    """Words of a person as they are kept."""
    return "".join(f" metric={_kept(word)}" for word in metrics)


def asked(text: str) -> tuple[str, ...] | None:
    """The words that are kept in a text; None where that is not what `kept` writes."""
    words = tuple(unquote(one.removeprefix("metric=")) for one in text.split())
    return words if kept(words) == text else None


def meant(marker: str) -> list[str]:
    """The words that a misspelt marker may mean."""
    return [_mended(word) for word in _WORD.findall(marker.partition("=")[2])]


def _kept(word: str) -> str:
    name, *rest = asked_word(word)
    return ":".join([quote(name, safe=_PLAIN).replace("--", "-%2D"), *(one for one in rest if one)])


def _mended(word: str) -> str:
    name, *rest = unquote(word).split(":")
    close = [difflib.get_close_matches(one, _SUFFIXES, n=1, cutoff=0.4) for one in rest]
    return ":".join([name, *(one[0] for one in close if one)])
