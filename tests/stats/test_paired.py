from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kag.errors import DataError
from kag.stats.bootstrap import Resampled, mean_draws, metric_draws
from kag.stats.interval import Interval
from kag.stats.paired import Difference, holm, independent_difference, lead, paired_difference

UNITS = 6
NUMBERS = st.floats(-1e3, 1e3)


@st.composite
def resampled(draw: st.DrawFn) -> Resampled:
    """Any numbers, in the shape of six units and four resamples."""
    left_out = draw(st.lists(NUMBERS, min_size=UNITS, max_size=UNITS))
    draws = draw(st.lists(NUMBERS | st.just(math.nan), min_size=4, max_size=4))
    return Resampled(draw(NUMBERS), np.array(draws), np.array(left_out))


@given(resampled(), resampled())
def test_the_other_way_round_it_is_the_same_difference(a: Resampled, b: Resampled) -> None:
    one, other = paired_difference(a, b), -paired_difference(b, a)
    assert (one.value, one.interval, one.p_value) == (other.value, other.interval, other.p_value)
    assert one.lead == other.lead or (math.isnan(one.lead) and math.isnan(other.lead))
    assert one.told_apart == other.told_apart


@given(resampled())
def test_equal_models_differ_by_exactly_nothing(a: Resampled) -> None:
    found = paired_difference(a, a)
    assert (found.value, found.interval, found.p_value) == (0.0, Interval(0.0, 0.0), 1.0)
    assert not found.told_apart
    assert found.better == 0.5 or np.isnan(a.draw_S).all()


@given(resampled(), resampled())
def test_the_p_value_says_what_the_interval_says(a: Resampled, b: Resampled) -> None:
    found = paired_difference(a, b)
    assert 0.0 <= found.p_value <= 1.0
    if abs(found.p_value - 0.05) > 1e-9:
        assert found.told_apart == (found.p_value < 0.05)


def test_two_differences_on_other_units_each_are_compared_by_both_errors() -> None:
    """Welch's test: the textbook's interval of two samples."""
    rng = np.random.default_rng(5)
    one_N, other_N = rng.normal(0.0, 1.0, 12), rng.normal(0.5, 3.0, 30)
    a, b = (
        paired_difference(mean_draws(np.zeros(len(x_N)), np.arange(len(x_N))), mean_draws(x_N, np.arange(len(x_N))))
        for x_N in (one_N, other_N)
    )
    found, known = independent_difference(a, b), stats.ttest_ind(other_N, one_N, equal_var=False)
    assert found.interval is not None
    bounds = known.confidence_interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((bounds.low, bounds.high))
    assert found.p_value == pytest.approx(known.pvalue)
    assert independent_difference(a, a).value == 0.0


@given(st.lists(NUMBERS, min_size=2, max_size=12))
def test_of_a_mean_it_is_the_paired_t_test(change: list[float]) -> None:
    """With one point in each unit the jackknife of a mean is the textbook's standard error."""
    change_N = np.round(np.array(change), 2)
    unit_N, before_N = np.arange(len(change)), np.linspace(0.0, 1.0, len(change))
    found = paired_difference(mean_draws(before_N, unit_N), mean_draws(before_N + change_N, unit_N))
    assert found.value == pytest.approx(change_N.mean(), abs=1e-9)
    if np.ptp(change_N) > 0.01:
        test = stats.ttest_1samp(change_N, 0.0)
        low, high = test.confidence_interval(0.95)
        assert found.interval is not None
        assert (found.interval.low, found.interval.high) == pytest.approx((low, high), rel=1e-6, abs=1e-6)
        assert found.p_value == pytest.approx(test.pvalue, rel=1e-6)


def test_a_worked_example() -> None:
    a = Resampled(0.5, np.array([0.4, 0.5, 0.6, math.nan]), np.array([0.5, 0.5, 0.5]))
    b = Resampled(0.6, np.array([0.5, 0.5, 0.7, 0.5]), np.array([0.60, 0.63, 0.57]))
    found = paired_difference(a, b)
    error = math.sqrt(2 / 3 * 2 * 0.03**2)
    assert found.value == pytest.approx(0.1)
    assert found.interval is not None
    assert found.interval.high == pytest.approx(0.1 + 4.302653 * error)
    assert found.lead == pytest.approx(2 / 3)
    assert found.better == pytest.approx(5 / 6)
    assert not found.told_apart


def test_what_cannot_be_said_is_not_said() -> None:
    """The only positives are in the first protein: without it there is no AUPRC to take a difference of."""
    generator, unit_N = np.random.default_rng(0), np.repeat(np.arange(4), 5)
    label_N = (np.arange(20) < 3).astype(np.int64)
    one, other = (metric_draws(generator.normal(size=20), label_N, unit_N, None)["auprc"] for _ in range(2))
    found = paired_difference(one, other)
    assert found.value == other.value - one.value
    assert found.interval is None
    assert math.isnan(found.p_value)
    assert not found.told_apart
    assert not math.isnan(found.lead)
    single = paired_difference(*(mean_draws(np.array([value]), np.array([7])) for value in (1.0, 2.0)))
    assert repr(single) == repr(Difference(1.0, None, 1.0, math.nan)), "every field, though NaN equals nothing"
    undefined = paired_difference(*(mean_draws(np.zeros(0), np.zeros(0)) for _ in range(2)))
    assert math.isnan(undefined.value)
    assert undefined.interval is None


def test_a_change_that_is_the_same_everywhere_is_sure() -> None:
    ones = np.ones(3)
    found = paired_difference(Resampled(1.0, ones, ones), Resampled(3.0, 3 * ones, 3 * ones))
    assert found == Difference(2.0, Interval(2.0, 2.0), 1.0, 0.0, error=0.0, freedom=2.0)


def test_draws_of_other_data_are_refused() -> None:
    one, other = (mean_draws(np.arange(units, dtype=float), np.arange(units)) for units in (3, 4))
    with pytest.raises(DataError, match="draws of 3 units in 1000 resamples and 4 units in 1000 resamples"):
        paired_difference(one, other)


def test_the_lead_counts_known_draws() -> None:
    assert lead(np.array([1.0, 2.0, -1.0, 0.0, math.nan])) == 0.25
    assert math.isnan(lead(np.array([math.nan])))


def test_holm_of_a_textbook_family() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.01, 0.04, 0.03, 0.005], family=10) == pytest.approx((0.09, 0.28, 0.24, 0.05))
    assert holm([]) == ()
    one, missing, other = holm([0.02, math.nan, 0.04])
    assert (one, other) == pytest.approx((0.04, 0.04))
    assert math.isnan(missing)


@given(st.lists(st.floats(0.0, 1.0), max_size=12))
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= min(1.0, len(p_values) * p)
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [found for _, found in ranked] == sorted(adjusted)
    assert holm(p_values[::-1]) == adjusted[::-1]
