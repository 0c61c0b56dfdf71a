"""Curves of a group: the mean of its seeds and one standard deviation, where all of them are."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.report.bands import Seeds, banded
from kag.report.figure import Chart, Line

VALUES = st.lists(st.lists(st.floats(-1e3, 1e3) | st.just(math.nan), min_size=3, max_size=3), min_size=2, max_size=5)


def chart(*lines: Line) -> Chart:
    return Chart("auprc", "AUPRC", "epoch", "AUPRC", lines, axis="epoch")


@given(VALUES)
def test_mean_and_deviation_are_those_of_the_seeds_that_all_go_on(values: list[list[float]]) -> None:
    lines = [Line(f"s{place}", range(3), y, colour=place) for place, y in enumerate(values)]
    found = banded(chart(*lines), [Seeds("group", tuple(range(len(lines))))])
    columns = list(zip(*values, strict=True))
    whole = [all(value == value for value in column) for column in columns]
    if not any(whole):
        assert [line.label for line in found.lines] == [line.label for line in lines]
        assert found.bands == ()
        return
    (line,), (band,) = found.lines, found.bands
    for place, column in enumerate(columns):
        got = (line.y[place], band.low[place], band.high[place])
        if not whole[place]:
            assert all(map(math.isnan, got))
            continue
        mean, sd = statistics.fmean(column), statistics.stdev(column)
        assert got == pytest.approx((mean, mean - sd, mean + sd))
    assert line.label == band.label == f"group, mean of {len(lines)}"


def test_a_group_has_one_colour_and_averaged_weights_stay_dashed() -> None:
    lines = [
        line
        for place, name in enumerate(("a", "b", "c", "d"))
        for line in (
            Line(name, (0, 1), (0.1 * place, 0.2), colour=place),
            Line(f"{name}, averaged", (1,), (0.3 * place,), dashed=True, colour=place),
        )
    ]
    found = banded(chart(*lines), [Seeds("first", (0, 2)), Seeds("b", (1,))])
    assert [(line.label, line.dashed, line.colour) for line in found.lines] == [
        ("first, mean of 2", False, 0),
        ("first, mean of 2, averaged", True, 0),
        ("b", False, 1),
        ("b, averaged", True, 1),
    ]
    assert [band.colour for band in found.bands] == [0, 0]
    assert (found.lines[1].x, found.lines[1].y) == ((1,), (0.3,))
    assert found.axis == "epoch"


def test_a_seed_that_ends_early_ends_the_mean_and_it_is_said() -> None:
    long = Line("a", range(3), (0.0, 1.0, 2.0), colour=0)
    short = Line("b", range(2), (2.0, 3.0), colour=1)
    found = banded(chart(long, short), [Seeds("g", (0, 1))])
    assert found.lines[0].y[:2] == (1.0, 2.0)
    assert math.isnan(found.lines[0].y[2])
    assert found.notes[-1] == "g: the mean goes as far as all its seeds do"
    whole = banded(chart(long, Line("b", range(3), (2.0, 3.0, 4.0), colour=1)), [Seeds("g", (0, 1))])
    assert len(whole.notes) == 1
