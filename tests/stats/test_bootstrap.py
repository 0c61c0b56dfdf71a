from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.stats import bootstrap, metrics


def example(points: int = 600, proteins: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ties, a protein that is much easier than the others, one without a positive, numbers with gaps."""
    generator = np.random.default_rng(5)
    protein_N = generator.integers(0, proteins, points) * 3 + 2
    label_N = ((generator.random(points) < 0.08) & (protein_N != 5)).astype(np.int32)
    score_N = np.round(generator.normal(size=points) + label_N * (1.0 + 3.0 * (protein_N == 8)), 1)
    return score_N.astype(np.float32), label_N, protein_N


@pytest.mark.parametrize("largest", [bootstrap.ROWS, 64])
def test_each_resample_is_the_auprc_of_the_repeated_proteins(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(bootstrap, "ROWS", largest)
    score_N, label_N, protein_N = example()
    key_P = np.unique(protein_N)
    sampled = bootstrap.auprc_samples(score_N, label_N, protein_N, samples=30, seed=11)
    times_PS = bootstrap.resample(len(key_P), 30, 11)
    for sample, value in enumerate(sampled):
        times_N = times_PS[np.searchsorted(key_P, protein_N), sample].astype(int)
        rows = np.repeat(np.arange(len(score_N)), times_N)
        assert value == pytest.approx(metrics.auprc(metrics.curve(score_N[rows], label_N[rows])), rel=1e-12)


def test_overlap_of_a_resample_is_that_of_the_repeated_proteins() -> None:
    score_N, label_N, protein_N = example()
    found = bootstrap.bootstrap_overlap(score_N, label_N, protein_N, 1.0, samples=1, seed=4)
    times_P = bootstrap.resample(len(np.unique(protein_N)), 1, 4)[:, 0].astype(int)
    rows = np.repeat(np.arange(len(score_N)), times_P[np.unique(protein_N, return_inverse=True)[1]])
    at = metrics.at_threshold(metrics.curve(score_N[rows], label_N[rows]), 1.0)
    assert {name: bounds.low for name, bounds in found.items() if bounds} == pytest.approx(at)


def test_the_interval_is_deterministic_and_holds_the_value() -> None:
    score_N, label_N, protein_N = example()
    one = bootstrap.bootstrap_auprc(score_N, label_N, protein_N, seed=1)
    assert one == bootstrap.bootstrap_auprc(score_N, label_N, protein_N, seed=1)
    assert one != bootstrap.bootstrap_auprc(score_N, label_N, protein_N, seed=2)
    value = metrics.auprc(metrics.curve(score_N, label_N))
    assert one is not None
    assert value is not None
    assert one.low < value < one.high
    each = bootstrap.bootstrap_auprc_per_protein(score_N, label_N, protein_N)
    mean = metrics.protein_auprc(score_N, label_N, protein_N)[1].mean()
    assert each is not None
    assert each.low < mean < each.high


def test_proteins_are_the_unit_not_points() -> None:
    """Every point ten times over says nothing new about proteins, so the interval must not shrink."""
    score_N, label_N, protein_N = example()
    once = bootstrap.bootstrap_auprc(score_N, label_N, protein_N)
    tenfold = bootstrap.bootstrap_auprc(*(np.tile(values_N, 10) for values_N in (score_N, label_N, protein_N)))
    assert once is not None
    assert tenfold is not None
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))


@given(st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_one_protein_has_an_interval_of_no_width(points: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    score_N = generator.integers(0, 5, points).astype(np.float32)
    label_N = generator.integers(0, 2, points)
    found = bootstrap.bootstrap_auprc(score_N, label_N, np.full(points, 3), samples=10)
    value = metrics.auprc(metrics.curve(score_N, label_N))
    if value is None:
        assert found is None
    else:
        assert found is not None
        assert (found.low, found.high) == pytest.approx((value, value))


def test_without_a_positive_there_is_no_interval() -> None:
    score_N, label_N, protein_N = example()
    assert bootstrap.bootstrap_auprc(score_N, label_N * 0, protein_N) is None
    assert bootstrap.bootstrap_auprc_per_protein(score_N, label_N * 0, protein_N) is None
    assert bootstrap.bootstrap_overlap(score_N, label_N * 0, protein_N, 1e9)["recall"] is None
    assert bootstrap.bootstrap_auprc(score_N[:0], label_N[:0], protein_N[:0]) is None
    assert bootstrap.bootstrap_overlap(score_N[:0], label_N[:0], protein_N[:0], 0.0)["iou"] is None


def test_a_resample_without_a_positive_is_left_out() -> None:
    score_N, label_N, protein_N = np.arange(4, dtype=np.float32), np.array([0, 1, 0, 0]), np.array([0, 0, 1, 1])
    sampled = bootstrap.auprc_samples(score_N, label_N, protein_N, samples=200)
    assert np.isnan(sampled).any()
    assert not np.isnan(sampled).all()
    found = bootstrap.bootstrap_auprc(score_N, label_N, protein_N, samples=200)
    assert found is not None
    assert found.low > 0.0
