"""The colour of a run: a function of its id alone, so it is the same on every page, in reports and on paper."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable

COLOURS = 24
"""Places of the palette: as many as can be told apart side by side."""


def colour_of(identity: str) -> int:
    """The place of a run's colour in the palette, by its id."""
    return zlib.crc32(identity.encode()) % COLOURS


def colours_of(identities: Iterable[str]) -> list[int]:
    """The places of several runs side by side.

    Of runs that have one colour, each after the first stands a whole palette further: it is drawn dotted.
    """
    seen: Counter[int] = Counter()
    found = []
    for place in map(colour_of, identities):
        found.append(place + COLOURS * seen[place])
        seen[place] += 1
    return found
