from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kag.report.figure import Band, Bars, Chart, Dots, Dotted, Line
from kag.report.thin import thinned

VALUES = st.lists(st.one_of(st.floats(-5, 5), st.just(math.nan)), min_size=1, max_size=120)


def chart(values: list[float]) -> Chart:
    x = range(len(values))
    line = Line("a", x, values)
    band = Band("b", x, [value - 1 for value in values], [value + 1 for value in values])
    return Chart("name", "title", "x", "y", (line,), (band,))


@given(VALUES, st.integers(3, 40))
def test_a_thinner_curve_keeps_ends_extremes_and_gaps(values: list[float], points: int) -> None:
    found = thinned(chart(values), points)
    assert isinstance(found, Chart)
    (line,), (band,) = found.lines, found.bands
    known = [value for value in values if not math.isnan(value)]
    kept = [value for value in line.y if not math.isnan(value)]
    assert len(line.x) <= max(points + 2, 5)
    assert len(band.x) <= points
    assert (line.x[0], line.x[-1]) == (0, len(values) - 1)
    assert list(line.x) == sorted(set(line.x))
    assert all(values[int(x)] is y or values[int(x)] == y for x, y in zip(line.x, line.y, strict=True))
    assert any(map(math.isnan, line.y)) == any(map(math.isnan, values))
    if known:
        assert (min(kept), max(kept)) == (min(known), max(known))
        assert min(low for low in band.low if not math.isnan(low)) == min(known) - 1
        assert max(high for high in band.high if not math.isnan(high)) == max(known) + 1


def test_what_is_short_or_no_chart_stays() -> None:
    short, bars = chart([1.0, 2.0]), Bars("b", "t", "v", ("a",), (1.0,))
    assert thinned(short) == short
    assert thinned(bars) is bars


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=30, max_size=90), st.integers(8, 25))
def test_fewer_dots_keep_those_with_a_name_and_lie_where_the_others_do(
    pairs: list[tuple[float, float]], points: int
) -> None:
    x, y = zip(*pairs, strict=True)
    told = tuple(map(str, range(len(pairs))))
    dots = Dots("d", "t", "x", "y", "same", (Dotted("proteins", x, y, told, ((3, "p3"), (29, "p29"))),))
    found = thinned(dots, points)
    assert isinstance(found, Dots)
    (part,) = found.parts
    assert len(part.x) == len(part.y) == len(part.told) == points
    assert [(part.told[place], name) for place, name in part.named] == [("3", "p3"), ("29", "p29")]
    assert all(pairs[int(one)] == at for one, at in zip(part.told, zip(part.x, part.y, strict=True), strict=True))
    assert found.notes == (f"proteins: {points} of {len(pairs)} dots are drawn",)
    assert thinned(dots, 90) == dots
