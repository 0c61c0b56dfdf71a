"""Curves of runs that differ in the seed alone as one: their mean, and a band of one standard deviation around it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from kag.report.figure import Band, Chart, Line


class Seeds(NamedTuple):
    """Runs of one group, or a run that has no like."""

    label: str
    places: tuple[int, ...]
    """Where its runs stand among those that are drawn: the colours of their lines."""


def banded(chart: Chart, groups: Sequence[Seeds]) -> Chart:
    """The chart with one curve a group in place of one a run; a group has one colour, averaged weights stay dashed.

    The mean goes as far as all seeds do: over fewer of them it would jump where one ends. Where they have no place of
    the x axis in common, each keeps its own curve in the colour of the group.

    Args:
        chart: a line's colour is the place of its run.
        groups: those to draw; the lines of other runs are left out.
    """
    lines: list[Line] = []
    bands: list[Band] = []
    cut: list[str] = []
    for colour, group in enumerate(groups):
        for dashed in (False, True):
            own = [line for line in chart.lines if line.colour in group.places and line.dashed is dashed]
            shared = set.intersection(*(_known(line) for line in own)) if own else set()
            if len(own) < 2 or not shared:
                lines += [replace(line, colour=colour) for line in own]
                continue
            label = f"{group.label}, mean of {len(own)}{', averaged' if dashed else ''}"
            mean, band = _merged(label, own, shared)
            lines.append(replace(mean, dashed=dashed, colour=colour))
            bands.append(replace(band, colour=colour))
            if any(len(_known(line)) > len(shared) for line in own):
                cut.append(group.label)
    drawn = ("the band is one standard deviation of the seeds to each side of their mean",) if bands else ()
    ends = (f"{label}: the mean goes as far as all its seeds do" for label in dict.fromkeys(cut))
    return replace(chart, lines=tuple(lines), bands=tuple(bands), notes=(*chart.notes, *drawn, *ends))


def _known(line: Line) -> set[float]:
    return {x for x, y in zip(line.x, line.y, strict=True) if y == y}


def _merged(label: str, own: Sequence[Line], shared: Collection[float]) -> tuple[Line, Band]:
    by_x = [dict(zip(line.x, line.y, strict=True)) for line in own]
    x = tuple(sorted({place for one in by_x for place in one}))
    columns = [[one[place] for one in by_x] if place in shared else [math.nan, math.nan] for place in x]
    mean = tuple(map(statistics.fmean, columns))
    sd = [statistics.stdev(column) if place in shared else math.nan for place, column in zip(x, columns, strict=True)]
    low = tuple(middle - one for middle, one in zip(mean, sd, strict=True))
    high = tuple(middle + one for middle, one in zip(mean, sd, strict=True))
    return Line(label, x, mean), Band(label, x, low, high)
