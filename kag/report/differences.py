"""Runs beside one another in pictures: a run and its parent, two groups of replicates, or several against the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from kag.compare.comparison import Comparison, against_parent
from kag.compare.groups import compare_groups
from kag.compare.paired import DrawnOf, ProfileOf, not_asked
from kag.compare.replicates import Replicates
from kag.compare.wording import seeds_counted
from kag.report.bands import Seeds, banded
from kag.report.difference_figures import headline_pictures, pair_pictures
from kag.report.figure import Chart
from kag.report.score_figures import Pictured
from kag.report.series import Rows
from kag.track.record import RunRecord
from kag.view.colour import colours_of
from kag.view.words import labels

OVERLAID = 12
"""Runs, or groups of them, whose curves are drawn over one another; more of them cannot be told apart."""


class Scored(NamedTuple):
    """Where what runs scored is asked for."""

    drawn: DrawnOf
    """Their draws."""
    profiled: ProfileOf
    """What their scores look like."""


NOT_SCORED = Scored(not_asked, not_asked)
"""For whoever has records alone."""


def pictures_beside(parent: RunRecord, record: RunRecord, scores: Scored) -> Pictured:
    """A run beside the one that it is compared with, as that stood when the run began; nothing of another program's
    runs that kept no scores.
    """
    compared = against_parent(parent, record, scores.drawn)
    found = pair_pictures(compared, scores.profiled, labels((parent, record)))
    return found if found.figures or not record.is_foreign else Pictured()


def against_first(groups: Sequence[Replicates], drawn: DrawnOf) -> list[Comparison]:
    """The comparison of each run or group with the first, of as many as are told apart in one picture."""
    return [compare_groups(groups[0], other, drawn) for other in groups[1:OVERLAID]]


def differences_of(
    groups: Sequence[Replicates], scores: Scored, against: Sequence[Comparison] | None = None
) -> Pictured:
    """Two runs or groups side by side in full, of more of them the AUPRC of each against the first.

    Args:
        groups: the first is what the others are compared with.
        scores: where what they scored is asked for.
        against: those of `against_first`, for whoever has them: what they have tested is not tested again.
    """
    shown = groups[:OVERLAID]
    called = _called(shown)
    compared = against_first(groups, scores.drawn) if against is None else against
    if len(shown) == 2:
        found = pair_pictures(compared[0], scores.profiled, called)
    else:
        found = headline_pictures(tuple(zip(called[1:], compared, strict=True)), called[0])
    return found if found.figures or not shown[0].runs[0].is_foreign else Pictured()


def seeds_overlaid(
    groups: Sequence[Replicates],
    rows: Mapping[str, Rows],
    figures: Callable[[Mapping[str, Rows]], Sequence[Chart]],
    names: Mapping[str, str] | None = None,
    most: int = OVERLAID,
) -> tuple[Chart, ...]:
    """The curves of groups over one another: of several seeds the mean and a band.

    Args:
        groups: those to draw.
        rows: run id -> history.
        figures: makes the charts of some histories, each line in the colour of its run.
        names: run id -> what to call it, if that tells the runs apart.
        most: so many of the groups are drawn.
    """
    shown = groups[:most]
    told = [standing(group) for group in shown]
    runs = [record for some in told for record in some]
    called = _labels(runs, names)
    charts = figures({name: rows[record.id] for name, record in zip(called, runs, strict=True)})
    colours = colours_of(group.runs[0].id for group in shown)
    if len(runs) == len(shown):
        return tuple(_coloured(chart, colours) for chart in charts)
    ends = [sum(map(len, told[: place + 1])) for place in range(len(told))]
    seeds = [
        Seeds(name, tuple(range(end - len(some), end)))
        for name, some, end in zip(_labels([group.runs[0] for group in shown], names), told, ends, strict=True)
    ]
    return tuple(_coloured(banded(chart, seeds), colours) for chart in charts)


def _coloured(chart: Chart, colours: Sequence[int]) -> Chart:
    """The chart with the colours of its runs in place of their places."""
    lines = tuple(replace(line, colour=colours[line.colour or 0]) for line in chart.lines)
    bands = tuple(replace(band, colour=colours[band.colour or 0]) for band in chart.bands)
    return replace(chart, lines=lines, bands=bands)


def standing(group: Replicates) -> tuple[RunRecord, ...]:
    """The runs whose curves stand for a group: of each seed the newest one that ended well; all, where none has."""
    counted = tuple(record for record, _ in group.counted(lambda _: 1.0))
    return counted if len(group.runs) > 1 and counted else group.runs


def _called(groups: Sequence[Replicates], names: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What each is called beside the others."""
    own = _labels([group.runs[0] for group in groups], names)
    return tuple(name + seeds_counted(group) for name, group in zip(own, groups, strict=True))


def _labels(records: Sequence[RunRecord], names: Mapping[str, str] | None) -> tuple[str, ...]:
    return labels(records, [names[record.id] for record in records] if names else None)
