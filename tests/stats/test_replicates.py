from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kag.errors import DataError
from kag.stats.bootstrap import Resampled, mean_draws
from kag.stats.interval import Interval
from kag.stats.metrics import Floats
from kag.stats.paired import paired_difference
from kag.stats.replicates import replicate_difference

UNITS = 12


def group(seed: int, replicates: int, *, mean: float = 0.0, seeds: float = 0.0, own: float = 0.1) -> list[Resampled]:
    """Means over units that all groups share: what seeds add everywhere, and what each adds to each unit."""
    shared_U = np.random.default_rng(99).normal(size=UNITS)
    generator = np.random.default_rng(seed)
    return [
        mean_draws(shared_U + mean + seeds * generator.normal() + own * generator.normal(size=UNITS), np.arange(UNITS))
        for _ in range(replicates)
    ]


groups = st.tuples(st.integers(0, 1000), st.integers(1, 4), st.sampled_from([0.0, 0.1])).map(
    lambda drawn: group(drawn[0], drawn[1], seeds=drawn[2])
)


@given(groups, groups)
def test_the_other_way_round_it_is_the_same_difference(a: list[Resampled], b: list[Resampled]) -> None:
    assert replicate_difference(a, b) == -replicate_difference(b, a)


@given(groups)
def test_a_group_does_not_differ_from_itself(a: list[Resampled]) -> None:
    found = replicate_difference(a, a)
    assert (found.value, found.lead, found.told_apart) == (0.0, 0.0, False)


@given(groups, groups)
def test_the_order_of_replicates_says_nothing(a: list[Resampled], b: list[Resampled]) -> None:
    one, other = replicate_difference(a, b), replicate_difference(a[::-1], b[::-1])
    assert other.value == pytest.approx(one.value, abs=1e-12)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-6)
    assert other.lead == one.lead


def test_one_replicate_a_side_is_the_paired_difference_and_says_so() -> None:
    (a,), (b,) = group(1, 1), group(2, 1, mean=0.3)
    assert replicate_difference([a], [b]) == paired_difference(a, b)
    assert not replicate_difference([a], [b]).over_seeds
    several = group(3, 4, seeds=5.0)
    found = replicate_difference([a], several)
    assert not found.over_seeds
    mean_U: Floats = np.mean([each.left_out_U for each in several], axis=0)
    alone = paired_difference(
        a, replace(several[0], value=float(np.mean([s.value for s in several])), left_out_U=mean_U)
    )
    assert found.interval == alone.interval


def test_seeds_alone_are_welchs_test() -> None:
    """Where no unit differs from another, only seeds are left."""
    a, b = (group(seed, n, mean=mean, seeds=0.2, own=0.0) for seed, n, mean in ((1, 4, 0.0), (2, 6, 0.3)))
    found = replicate_difference(a, b)
    test = stats.ttest_ind([each.value for each in b], [each.value for each in a], equal_var=False)
    low, high = test.confidence_interval(0.95)
    assert found.over_seeds
    assert found.p_value == pytest.approx(test.pvalue)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high))


def test_units_alone_are_the_paired_difference_of_the_means() -> None:
    """What a seed does on these units alone is counted once, by the jackknife."""
    a, b = group(1, 5), group(2, 5)
    found = replicate_difference(a, b)
    one_U, other_U = (np.mean([each.left_out_U for each in side], axis=0) for side in (a, b))
    error = math.sqrt((UNITS - 1) * np.var(other_U - one_U))
    assert found.over_seeds
    assert found.interval is not None
    width = (found.interval.high - found.interval.low) / 2 / error
    assert width == pytest.approx(stats.t.ppf(0.975, UNITS - 1), rel=0.25)


def test_an_unlucky_seed_is_no_progress() -> None:
    """Runs are told from one another, the groups are not: five seeds of a spread of 0.5 do not tell 0.1 apart."""
    a, b = group(1, 5, seeds=0.5, own=0.01), group(2, 5, mean=0.1, seeds=0.5, own=0.01)
    pairs = [paired_difference(one, other).told_apart for one in a for other in b]
    assert sum(pairs) > 0.8 * len(pairs)
    assert not replicate_difference(a, b).told_apart
    assert replicate_difference(a, group(2, 5, mean=2.0, seeds=0.5, own=0.01)).told_apart


def test_better_is_the_share_of_pairs() -> None:
    def drawn(*values: float) -> Resampled:
        return Resampled(0.0, np.array(values), np.zeros(3))

    found = replicate_difference([drawn(1.0, 2.0), drawn(3.0, math.nan)], [drawn(2.0, 2.0)])
    assert found.lead == pytest.approx((1 + 0 - 1) / 3)
    assert found.better == pytest.approx(0.5)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(DataError, match="no replicate on one side"):
        replicate_difference([], group(1, 2))
    with pytest.raises(DataError, match="are not pairs"):
        replicate_difference(group(1, 2), [mean_draws(np.zeros(3), np.arange(3))])


def test_where_a_unit_cannot_be_left_out_there_is_no_interval() -> None:
    broken = [replace(each, left_out_U=np.full(UNITS, math.nan)) for each in group(1, 2)]
    found = replicate_difference(broken, group(2, 2))
    assert found.interval is None
    assert math.isnan(found.p_value)
    assert found.over_seeds
    assert replicate_difference(group(1, 2, own=0.0), group(2, 2, own=0.0)).interval == Interval(0.0, 0.0)
