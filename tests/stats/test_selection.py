from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import DataError
from kag.stats import metrics
from kag.stats.bootstrap import Resampled, mean_draws, metric_draws, resample
from kag.stats.metrics import Array
from kag.stats.replicates import replicate_difference
from kag.stats.selection import (
    Bagged,
    Chosen,
    Selected,
    bagged,
    bbc_cv,
    chosen_difference,
    expected_best,
    mean_of,
    tied_with_best,
)

METRICS: tuple[Chosen, ...] = ("auprc", "auprc_per_protein", "auroc")


def candidates(count: int = 4) -> tuple[Array, Array, Array]:
    """Candidates of like quality on seven proteins, one of them without a positive."""
    generator = np.random.default_rng(3)
    protein_N = generator.integers(0, 7, 300)
    label_N = ((generator.random(300) < 0.1) & (protein_N != 3)).astype(np.int64)
    logit_TN = np.round(generator.normal(size=(count, 300)) + 1.5 * label_N, 1).astype(np.float32)
    return logit_TN, label_N, protein_N


def value_of(metric: Chosen, logit_N: Array, label_N: Array, protein_N: Array) -> float | None:
    """The metric of points as they are."""
    if metric == "auprc_per_protein":
        auprc_P = metrics.protein_auprc(logit_N, label_N, protein_N)[1]
        return float(auprc_P.mean()) if len(auprc_P) else None
    return getattr(metrics, metric)(metrics.curve(logit_N, label_N))  # type: ignore[no-any-return]


def bags(logit_TN: Array, label_N: Array, unit_N: Array, samples: int = 50, seed: int = 0) -> list[Bagged]:
    return [bagged(logit_N, label_N, unit_N, "auprc", samples=samples, seed=seed) for logit_N in logit_TN]


def chosen_among(logit_TN: Array, label_N: Array, unit_N: Array, samples: int = 50, seed: int = 0) -> Selected:
    return bbc_cv(bags(logit_TN, label_N, unit_N, samples, seed))


@pytest.mark.parametrize("metric", METRICS)
def test_in_the_bag_chooses_and_out_of_the_bag_scores(metric: Chosen) -> None:
    logit_TN, label_N, protein_N = candidates()
    whole = np.array([value_of(metric, logit_N, label_N, protein_N) for logit_N in logit_TN])
    outside, chosen = [], []
    for times_P in resample(7, 25, 8).T.astype(int):
        times_N = times_P[protein_N]
        rows, out = np.repeat(np.arange(300), times_N), times_N == 0
        copies = protein_N[rows] * 100 + np.concatenate([np.arange(times) for times in times_N])
        if label_N[rows].any() and label_N[out].any():
            inside = [value_of(metric, logit_N[rows], label_N[rows], copies) or 0.0 for logit_N in logit_TN]
            chosen.append(int(np.argmax(inside)))
            outside.append([value_of(metric, logit_N[out], label_N[out], protein_N[out]) for logit_N in logit_TN])
    found = bbc_cv([bagged(logit_N, label_N, protein_N, metric, samples=25, seed=8) for logit_N in logit_TN])
    score_ST = np.array(outside, dtype=np.float64)
    few_T = score_ST.mean(axis=0) - whole
    assert found.corrected == pytest.approx(score_ST[np.arange(len(chosen)), chosen].mean() - few_T[chosen].mean())
    assert found.value == pytest.approx(whole.max())
    assert found.best == int(np.argmax(whole))


def test_draws_repeat_and_in_the_bag_they_are_those_of_a_paired_difference() -> None:
    logit_TN, label_N, protein_N = candidates()
    one = chosen_among(logit_TN, label_N, protein_N)
    assert one == chosen_among(logit_TN, label_N, protein_N)
    assert one != chosen_among(logit_TN, label_N, protein_N, seed=1)
    own = bags(logit_TN, label_N, protein_N)[0].resampled
    kept = metric_draws(logit_TN[0], label_N, protein_N, None, samples=50)["auprc"]
    np.testing.assert_allclose(own.draw_S, kept.draw_S)
    np.testing.assert_allclose(own.left_out_U, kept.left_out_U)
    assert one.corrected < one.value


def test_one_candidate_is_no_choice_however_often_it_is_there() -> None:
    logit_TN, label_N, protein_N = candidates(1)
    one = chosen_among(logit_TN, label_N, protein_N)
    assert one.corrected == pytest.approx(one.value)
    often = chosen_among(np.repeat(logit_TN, 5, axis=0), label_N, protein_N)
    assert often.corrected == pytest.approx(one.value)


def test_one_unit_leaves_nothing_to_score_on() -> None:
    found = chosen_among(np.array([[1.0, 0.0, 2.0]]), np.array([1, 0, 0]), np.zeros(3), samples=10)
    assert found.value == 0.5
    assert math.isnan(found.corrected)


def test_nothing_to_choose_from_is_refused() -> None:
    logit_TN, label_N, protein_N = candidates()
    with pytest.raises(DataError, match="nothing to choose from"):
        bbc_cv([])
    with pytest.raises(DataError, match="undefined on these labels"):
        chosen_among(logit_TN, label_N * 0, protein_N, samples=5)


def test_who_is_tied_with_the_best() -> None:
    """On ten units: the best, one a little below it on some, one far below on all."""
    noise_U = np.random.default_rng(0).normal(size=10)
    unit_U = np.arange(10)
    values = (noise_U, noise_U - 0.1 * np.sign(np.arange(10) - 3.5), noise_U - 5.0 + 0.1 * noise_U)
    trials = [[mean_draws(value_U, unit_U)] for value_U in values]
    assert tied_with_best(trials) == 2
    assert tied_with_best(trials[::-1]) == 2
    assert tied_with_best(trials[:1]) == 1
    assert tied_with_best([]) == 0
    draw_S = trials[0][0].draw_S
    undefined = [Resampled(math.nan, draw_S, np.full(10, math.nan))]
    assert tied_with_best([undefined, *trials]) == 2
    never_told = [Resampled(-9.0, draw_S, np.full(10, math.nan))]
    assert tied_with_best([never_told, *trials]) == 3


def test_a_trial_is_tied_with_itself() -> None:
    logit_TN, label_N, protein_N = candidates(1)
    trial = metric_draws(logit_TN[0], label_N, protein_N, None, samples=5)["auprc"]
    assert tied_with_best([[trial]] * 6) == 6


def test_replicates_are_one_candidate_by_their_mean() -> None:
    """Four runs as two settings with two seeds each: the lucky seed of the worse settings is not the best."""
    logit_TN, label_N, protein_N = candidates()
    each = bags(logit_TN, label_N, protein_N)
    groups = [[each[0], each[1]], [each[2], each[3]]]
    whole = [np.mean([one.resampled.value for one in group]) for group in groups]
    found = bbc_cv([mean_of(group) for group in groups])
    assert (found.best, found.value) == (int(np.argmax(whole)), max(whole))
    inside = [np.mean([one.resampled.draw_S for one in group], axis=0) for group in groups]
    np.testing.assert_allclose(mean_of(groups[1]).resampled.draw_S, inside[1])
    told_apart = replicate_difference(*([one.resampled for one in group] for group in groups)).told_apart
    assert tied_with_best([[one.resampled for one in group] for group in groups]) == 2 - told_apart


def test_the_best_of_many_is_told_from_fewer_than_the_best_of_these() -> None:
    """Those that were left out were chosen from too: 45 pairs count, and not one."""
    noise_U, lead_U = np.random.default_rng(1).normal(size=12), 0.5 + 0.7 * (-1.0) ** np.arange(12)
    pair = [[mean_draws(values_U, np.arange(12))] for values_U in (noise_U, noise_U - lead_U)]
    assert tied_with_best(pair) == 1
    assert tied_with_best(pair, candidates=10) == 2


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_the_expected_best_is_the_mean_over_all_subsets(values: list[float]) -> None:
    curve_N = expected_best(values)
    for drawn, found in enumerate(curve_N, start=1):
        subsets = [max(subset) for subset in combinations(values, drawn)]
        assert found == pytest.approx(np.mean(subsets), abs=1e-9)


def test_the_expected_best_of_many_ends_at_the_best() -> None:
    values = np.random.default_rng(1).normal(size=3000)
    curve_N = expected_best(values.tolist())
    assert curve_N[0] == pytest.approx(values.mean())
    assert curve_N[-1] == pytest.approx(values.max())
    assert (np.diff(curve_N) > -1e-12).all()
    assert expected_best([]).shape == (0,)
    with pytest.raises(DataError, match="1 of 2 values are NaN"):
        expected_best([1.0, math.nan])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**16))
def test_two_choices_are_apart_by_what_each_is_worth(before: int, after: int, seed: int) -> None:
    logit_TN, label_N, protein_N = candidates(before + after)
    drawn = bags(logit_TN, label_N, protein_N, seed=seed)
    found = chosen_difference(drawn[:before], drawn[before:])
    sides = bbc_cv(drawn[:before]), bbc_cv(drawn[before:])
    assert found.value == pytest.approx(sides[1].value - sides[0].value, abs=1e-12)
    assert found.corrected == pytest.approx(sides[1].corrected - sides[0].corrected, abs=1e-12)
    turned = chosen_difference(drawn[before:], drawn[:before])
    assert (turned.value, turned.corrected) == pytest.approx((-found.value, -found.corrected), abs=1e-12)
    assert found.interval is not None
    assert turned.interval is not None
    assert (turned.interval.low, turned.interval.high) == pytest.approx((-found.interval.high, -found.interval.low))
    assert found.interval.low <= found.corrected <= found.interval.high


def test_the_best_of_many_equals_is_no_better_than_one_of_them() -> None:
    values, corrected = [], []
    for data in range(12):
        generator = np.random.default_rng(data)
        protein_N = np.repeat(np.arange(24), 40)
        label_N = (generator.random(960) < 0.1).astype(np.int64)
        logit_TN = (generator.normal(size=(21, 960)) + 1.5 * label_N).astype(np.float32)
        drawn = bags(logit_TN, label_N, protein_N, samples=60)
        found = chosen_difference(drawn[:1], drawn[1:])
        values.append(found.value)
        corrected.append(found.corrected)
    assert np.mean(values) > 0.06
    assert abs(np.mean(corrected)) < np.mean(values) / 2


def test_what_cannot_be_compared_has_no_difference() -> None:
    logit_TN, label_N, protein_N = candidates(2)
    drawn = bags(logit_TN, label_N, protein_N)
    with pytest.raises(DataError, match="nothing to choose from"):
        chosen_difference([], drawn)
    with pytest.raises(DataError, match="other bags"):
        chosen_difference(drawn, bags(logit_TN, label_N, protein_N, samples=49))
    nowhere = bags(logit_TN, np.where(protein_N == 0, label_N, 0), protein_N, samples=1, seed=1)
    assert chosen_difference(nowhere[:1], nowhere[1:]).interval is None
