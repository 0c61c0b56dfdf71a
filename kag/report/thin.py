"""Long curves with fewer points: what a picture of a thousand pixels cannot show is left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kag.report.figure import Band, Chart, Dots, Dotted, Figure, Line, Numbers

POINTS = 2000
"""Points that a curve keeps at most."""


def thinned(figure: Figure, points: int = POINTS) -> Figure:
    """The same figure; of a curve with more points, the lowest and the highest of each stretch remain, and a gap.

    Of more dots those that are named remain, and of the others every so many, in the order of how far they lie from the
    diagonal.
    """
    if isinstance(figure, Dots):
        return _dots(figure, points)
    if not isinstance(figure, Chart):
        return figure
    lines = tuple(_line(line, points) for line in figure.lines)
    return replace(figure, lines=lines, bands=tuple(_band(band, points) for band in figure.bands))


def _stretches(length: int, count: int) -> list[range]:
    bounds = [round(i * length / count) for i in range(count + 1)]
    return [range(first, last) for first, last in pairwise(bounds)]


def _line(line: Line, points: int) -> Line:
    if len(line.x) <= points:
        return line
    chosen = kept(line.y, points)
    return replace(line, x=tuple(line.x[i] for i in chosen), y=tuple(line.y[i] for i in chosen))


def kept(y: Numbers, points: int) -> Sequence[int]:
    """Places of a curve that remain, about `points` at most: its ends, and of each stretch both extremes and a gap."""
    if len(y) <= points:
        return range(len(y))
    found = {0, len(y) - 1}
    for stretch in _stretches(len(y), max(points // 3, 1)):
        known = [i for i in stretch if not math.isnan(y[i])]
        if known:
            found |= {min(known, key=y.__getitem__), max(known, key=y.__getitem__)}
        if len(known) < len(stretch):
            found.add(next(i for i in stretch if math.isnan(y[i])))
    return sorted(found)


def _band(band: Band, points: int) -> Band:
    if len(band.x) <= points:
        return band
    rows = [_widest(band, stretch) for stretch in _stretches(len(band.x), points)]
    x, low, high = zip(*rows, strict=True)
    return replace(band, x=x, low=low, high=high)


def _widest(band: Band, stretch: range) -> tuple[float, float, float]:
    known = [i for i in stretch if not math.isnan(band.low[i]) and not math.isnan(band.high[i])]
    if not known:
        return band.x[stretch[0]], math.nan, math.nan
    return band.x[stretch[0]], min(band.low[i] for i in known), max(band.high[i] for i in known)


def _dots(figure: Dots, points: int) -> Dots:
    left_out = [(part, len(part.x)) for part in figure.parts if len(part.x) > points]
    notes = (f"{part.label}: {points:,} of {length:,} dots are drawn" for part, length in left_out)
    return replace(figure, parts=tuple(_part(part, points) for part in figure.parts), notes=(*figure.notes, *notes))


def _part(part: Dotted, points: int) -> Dotted:
    if len(part.x) <= points:
        return part
    named = {place for place, _ in part.named}
    others = [place for place in range(len(part.x)) if place not in named]
    others.sort(key=lambda place: part.y[place] - part.x[place])
    room = max(points - len(named), 0)
    kept = sorted(named | {others[place * len(others) // room] for place in range(room)})
    return replace(
        part,
        x=tuple(part.x[place] for place in kept),
        y=tuple(part.y[place] for place in kept),
        told=tuple(part.told[place] for place in kept),
        named=tuple((kept.index(place), name) for place, name in part.named),
    )
