"""The mean of curves beside what statistics says of each place."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.server.page.means import mean_of

NUMBER = st.floats(-1e3, 1e3) | st.just(math.nan)
CURVE = st.dictionaries(st.integers(0, 9), NUMBER, max_size=8).map(
    lambda points: (tuple(sorted(points)), tuple(points[place] for place in sorted(points)))
)


@given(st.lists(CURVE, min_size=1, max_size=6))
def test_every_place_has_the_mean_of_the_curves_that_are_there(curves: list[tuple[tuple[float, ...], ...]]) -> None:
    values: dict[float, list[float]] = {}
    for x, y in curves:
        for place, value in zip(x, y, strict=True):
            if not math.isnan(value):
                values.setdefault(place, []).append(value)
    wanted = {place: one for place, one in sorted(values.items()) if 2 * len(one) >= len(curves)}
    found = mean_of([(x, y) for x, y in curves], points=100)
    assert list(found.x) == list(wanted)
    assert list(found.n) == [len(one) for one in wanted.values()]
    assert list(found.y) == pytest.approx([statistics.fmean(one) for one in wanted.values()], abs=1e-9)
    sd = [statistics.stdev(one) if len(one) > 1 else math.nan for one in wanted.values()]
    assert list(found.sd) == pytest.approx(sd, abs=1e-6, nan_ok=True)


def test_of_many_places_neighbours_are_one_and_each_curve_counts_once_there() -> None:
    dense = (range(1000), [1.0] * 1000)
    sparse = (range(0, 1000, 100), [3.0] * 10)
    found = mean_of([dense, sparse], points=10)
    assert len(found.x) == 10
    assert list(found.n) == [2] * 10
    assert list(found.y) == pytest.approx([2.0] * 10)
