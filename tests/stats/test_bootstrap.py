from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import DataError, RunFailed
from kag.names import METRICS
from kag.stats import bootstrap, metrics, weighted
from kag.stats.measure import measure
from kag.stats.metrics import Array

THRESHOLD = 1.0
RESAMPLED = [name for name in METRICS if name != "threshold"]


def example(points: int = 600, proteins: int = 9) -> tuple[Array, Array, Array]:
    """Ties, a protein that is much easier than the others, one without a positive, numbers with gaps."""
    generator = np.random.default_rng(5)
    protein_N = generator.integers(0, proteins, points) * 3 + 2
    label_N = ((generator.random(points) < 0.08) & (protein_N != 5)).astype(np.int32)
    score_N = np.round(generator.normal(size=points) + label_N * (1.0 + 3.0 * (protein_N == 8)), 1)
    return score_N.astype(np.float32), label_N, protein_N


def measured(score_N: Array, label_N: Array, protein_N: Array) -> dict[str, float]:
    """The metrics of points as they are; NaN for an undefined one."""
    values = measure("val", score_N, label_N, protein_N, threshold=THRESHOLD, samples=0).values
    return {name: np.nan if (value := values[name]) is None else value for name in RESAMPLED}


def repeated(times_U: Array, score_N: Array, label_N: Array, unit_N: Array, protein_N: Array) -> dict[str, float]:
    """The metrics where the points of each unit really occur so often, each time as other proteins."""
    times_N = times_U[np.unique(unit_N, return_inverse=True)[1]].astype(int)
    rows = np.repeat(np.arange(len(score_N)), times_N)
    copy_N = np.concatenate([np.arange(times) for times in times_N]) if len(rows) else rows
    return measured(score_N[rows], label_N[rows], protein_N[rows] * 1000 + copy_N)


@pytest.mark.parametrize("largest", [weighted.ROWS, 64])
@pytest.mark.parametrize("grouped", [False, True])
def test_each_draw_is_the_metric_of_the_repeated_units(
    monkeypatch: pytest.MonkeyPatch, largest: int, grouped: bool
) -> None:
    monkeypatch.setattr(weighted, "ROWS", largest)
    score_N, label_N, protein_N = example()
    unit_N = protein_N // 6 if grouped else protein_N
    draws = bootstrap.metric_draws(score_N, label_N, unit_N, THRESHOLD, protein_N=protein_N, samples=20, seed=11)
    assert list(draws) == RESAMPLED
    units = len(np.unique(unit_N))
    times_US = bootstrap.resample(units, 20, 11)
    for sample, times_U in enumerate(times_US.T):
        expected = repeated(times_U, score_N, label_N, unit_N, protein_N)
        assert {name: each.draw_S[sample] for name, each in draws.items()} == pytest.approx(expected, rel=1e-12)
    for unit, times_U in enumerate(1 - np.eye(units)):
        expected = repeated(times_U, score_N, label_N, unit_N, protein_N)
        assert {name: each.left_out_U[unit] for name, each in draws.items()} == pytest.approx(expected, rel=1e-12)
    expected = measured(score_N, label_N, protein_N)
    assert {name: each.value for name, each in draws.items()} == pytest.approx(expected, rel=1e-12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 3)), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_whatever_the_points_left_out_is_really_left_out(points: list[tuple[int, int, int]]) -> None:
    score_N, label_N, protein_N = (np.array(column) for column in zip(*points, strict=True))
    draws = bootstrap.metric_draws(score_N.astype(np.float32), label_N, protein_N, THRESHOLD, samples=0)
    for place, left_out in enumerate(np.unique(protein_N)):
        rest_N = protein_N != left_out
        expected = measured(score_N[rest_N].astype(np.float32), label_N[rest_N], protein_N[rest_N])
        found = {name: each.left_out_U[place] for name, each in draws.items()}
        assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(st.permutations(range(40)))
@settings(max_examples=20, deadline=None)
def test_neither_order_nor_a_monotone_transform_changes_a_ranking(order: list[int]) -> None:
    score_N, label_N, protein_N = (values_N[:40] for values_N in example())
    one = bootstrap.metric_draws(score_N, label_N, protein_N, None, samples=10)
    moved = np.exp(score_N[order].astype(np.float64)) - 3.0
    other = bootstrap.metric_draws(moved, label_N[order], protein_N[order], None, samples=10)
    for name in ("auprc", "auprc_per_protein", "auroc"):
        assert np.array_equal(one[name].draw_S, other[name].draw_S, equal_nan=True)
        assert np.array_equal(one[name].left_out_U, other[name].left_out_U, equal_nan=True)


def test_the_mean_of_a_loss_is_drawn_with_the_metrics() -> None:
    score_N, label_N, protein_N = example()
    loss = bootstrap.mean_draws(metrics.point_cross_entropy(score_N, label_N), protein_N, samples=30, seed=2)
    bce = bootstrap.metric_draws(score_N, label_N, protein_N, None, samples=30, seed=2)["bce"]
    assert loss.value == pytest.approx(metrics.cross_entropy(score_N, label_N))
    assert np.array_equal(loss.draw_S, bce.draw_S)
    assert np.array_equal(loss.left_out_U, bce.left_out_U)


def test_the_interval_is_deterministic_and_holds_the_value() -> None:
    one, again, other = (bootstrap.metric_draws(*example(), THRESHOLD, seed=seed) for seed in (1, 1, 2))
    for name, each in one.items():
        assert np.array_equal(each.draw_S, again[name].draw_S)
        assert not np.array_equal(each.draw_S, other[name].draw_S)
        bounds = bootstrap.interval(each.draw_S)
        assert bounds is not None
        assert bounds.low < each.value < bounds.high


def test_proteins_are_the_unit_not_points() -> None:
    """Every point ten times over says nothing new about proteins, so the interval must not shrink."""
    once = bootstrap.metric_draws(*example(), THRESHOLD, samples=50)
    score_N, label_N, protein_N = (np.tile(values_N, 10) for values_N in example())
    tenfold = bootstrap.metric_draws(score_N, label_N, protein_N, THRESHOLD, samples=50)
    for name, each in once.items():
        assert tenfold[name].draw_S == pytest.approx(each.draw_S)


@given(st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_one_unit_has_draws_without_spread_and_nothing_left_without_it(points: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    score_N = generator.integers(0, 5, points).astype(np.float32)
    label_N = generator.integers(0, 2, points)
    for each in bootstrap.metric_draws(score_N, label_N, np.full(points, 3), THRESHOLD, samples=10).values():
        assert each.draw_S == pytest.approx(np.full(10, each.value), nan_ok=True)
        assert np.isnan(each.left_out_U).tolist() == [True]


def test_what_the_labels_leave_undefined_has_no_interval() -> None:
    score_N, label_N, protein_N = example()
    negative = bootstrap.metric_draws(score_N, label_N * 0, protein_N, 1e9)
    nothing = bootstrap.metric_draws(score_N[:0], label_N[:0], protein_N[:0], 0.0)
    assert [name for name, each in negative.items() if bootstrap.interval(each.draw_S)] == ["bce"]
    assert [name for name, each in nothing.items() if bootstrap.interval(each.draw_S)] == []
    assert {(each.draw_S.shape, each.left_out_U.shape) for each in nothing.values()} == {((1000,), (0,))}


def test_a_resample_without_a_positive_is_left_out() -> None:
    score_N, label_N, protein_N = np.arange(4, dtype=np.float32), np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1])
    for name in ("auprc", "auprc_per_protein"):
        draw_S = bootstrap.metric_draws(score_N, label_N, protein_N, None, samples=200)[name].draw_S
        assert 0 < np.isnan(draw_S).sum() < 200
        found = bootstrap.interval(draw_S)
        assert found is not None
        assert found.low > 0.0


def test_an_evaluation_has_the_percentiles_of_the_draws() -> None:
    evaluation = measure("val", *example(), threshold=THRESHOLD, samples=60)
    draws = bootstrap.metric_draws(*example(), THRESHOLD, samples=60)
    assert evaluation.intervals == {name: bootstrap.interval(each.draw_S) for name, each in draws.items()}
    assert measure("val", *example(), samples=0).intervals == {}


def test_a_protein_in_two_units_is_refused() -> None:
    score_N, label_N, protein_N = example()
    unit_N = protein_N.copy()
    unit_N[np.flatnonzero(protein_N == 8)[0]] = 11
    with pytest.raises(DataError, match="points of protein 8 are in several units"):
        bootstrap.metric_draws(score_N, label_N, unit_N, None, protein_N=protein_N)


def test_logits_that_are_not_finite_are_refused() -> None:
    with pytest.raises(RunFailed, match="1 of 2 logits are infinite"):
        bootstrap.metric_draws(np.array([1.0, np.inf]), np.array([0, 1]), np.array([0, 1]), None)
