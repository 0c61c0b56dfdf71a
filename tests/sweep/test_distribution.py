"""Distributions: quantiles, their inverse, their law, and the type of their values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kag.sweep import parse_sweep
from kag.sweep.distribution import Distribution

SHARES = np.linspace(0.0005, 0.9995, 1000)


def leaf(**words: Any) -> Distribution:
    return parse_sweep({"method": "random", "parameters": {"x": words}}).leaves()["x"]


@pytest.mark.parametrize(
    ("words", "reference"),
    [
        ({"distribution": "uniform", "min": -2.0, "max": 3.0}, stats.uniform(-2, 5)),
        ({"distribution": "log_uniform", "min": -3.0, "max": 1.0}, stats.loguniform(math.exp(-3), math.exp(1))),
        ({"distribution": "log_uniform_values", "min": 0.01, "max": 5.0}, stats.loguniform(0.01, 5)),
        ({"distribution": "inv_log_uniform", "min": -1.0, "max": 2.0}, stats.loguniform(math.exp(-2), math.exp(1))),
        ({"distribution": "inv_log_uniform_values", "min": 0.1, "max": 10.0}, stats.loguniform(0.1, 10)),
        ({"distribution": "normal", "mu": 1.0, "sigma": 2.0}, stats.norm(1, 2)),
        ({"distribution": "log_normal", "mu": 0.5, "sigma": 0.7}, stats.lognorm(0.7, scale=math.exp(0.5))),
        ({"distribution": "beta", "a": 2.0, "b": 3.0}, stats.beta(2, 3)),
    ],
)
def test_a_uniform_share_gives_the_named_law(words: dict[str, Any], reference: Any) -> None:
    one = leaf(**words)
    drawn = np.array([one.value(share) for share in SHARES])
    assert stats.kstest(drawn, reference.cdf).statistic < 2e-3
    np.testing.assert_allclose(
        np.sort([one.share(value) for value in drawn]), SHARES, atol=1e-6, err_msg="share must undo value"
    )


@pytest.mark.parametrize(
    ("words", "step", "low", "high"),
    [
        ({"distribution": "q_uniform", "min": 0.05, "max": 1.0, "q": 0.1}, 0.1, 0.1, 1.0),
        ({"distribution": "q_uniform", "min": 3, "max": 20, "q": 5}, 5, 5, 20),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 64, "q": 4}, 4, 4, 64),
        ({"distribution": "q_normal", "mu": 0.0, "sigma": 3.0, "q": 0.5}, 0.5, -math.inf, math.inf),
        ({"distribution": "q_beta", "a": 1.0, "b": 1.0, "q": 0.25}, 0.25, 0.0, 1.0),
    ],
)
def test_stepped_values_are_multiples_inside_the_range(
    words: dict[str, Any], step: float, low: float, high: float
) -> None:
    one = leaf(**words)
    values = {one.value(share) for share in SHARES}
    assert all(low <= value <= high for value in values)
    assert all(abs(value / step - round(value / step)) < 1e-9 for value in values)
    assert all(len(repr(value)) <= 6 for value in values), "no 0.30000000000000004"
    if isinstance(step, int):
        assert {type(value) for value in values} == {int}


def test_a_stepped_uniform_lists_its_levels() -> None:
    assert leaf(distribution="q_uniform", min=0.0, max=0.5, q=0.1).levels() == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    assert leaf(distribution="uniform", min=0.0, max=0.5).levels() is None


def test_whole_numbers_are_drawn_alike_often_and_stay_whole() -> None:
    one = leaf(min=-2, max=2)
    counts = {value: sum(one.value(share) == value for share in SHARES) for value in range(-2, 3)}
    assert all(abs(count - 200) <= 1 for count in counts.values())
    assert all(type(one.value(share)) is int for share in (0.0, 0.3, 1.0))
    assert (one.value(0.0), one.value(1.0)) == (-2, 2)


def test_probabilities_hold() -> None:
    one = leaf(values=["a", "b", "c"], probabilities=[0.1, 0.0, 0.9])
    drawn = [one.value(share) for share in SHARES]
    assert (drawn.count("a"), drawn.count("b"), drawn.count("c")) == (100, 0, 900)
    assert one.value(1.0) == "c"


@given(
    st.lists(
        st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(), st.none()),
        min_size=1,
        max_size=8,
    )
)
def test_listed_values_keep_their_type(values: list[Any]) -> None:
    one = leaf(values=values)
    for index, value in enumerate(values):
        found = one.value((index + 0.5) / len(values))
        assert type(found) is type(value)
        assert found == value


@given(share=st.floats(0, 1), low=st.floats(-1e3, 1e3), width=st.floats(1e-3, 1e3))
def test_extremes_enclose_every_value(share: float, low: float, width: float) -> None:
    one = leaf(distribution="uniform", min=low, max=low + width)
    smallest, largest = one.extremes()
    assert smallest == low
    assert largest == low + width
    assert smallest <= one.value(share) <= largest
