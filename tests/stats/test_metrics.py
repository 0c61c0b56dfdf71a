from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from kag.errors import RunFailed
from kag.stats import metrics
from kag.stats.measure import measure


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Few distinct scores, so that ties are the rule; 0.0 and -0.0 among them."""
    pairs = draw(
        st.lists(st.tuples(st.sampled_from([-3.5, -1.0, -0.0, 0.0, 0.25, 2.0, 7.0]), st.integers(0, 1)), max_size=60)
    )
    return np.array([s for s, _ in pairs], dtype=np.float32), np.array([y for _, y in pairs], dtype=np.int32)


def every_threshold(score_N: np.ndarray, label_N: np.ndarray) -> list[tuple[float, float]]:
    """(IoU, threshold) by counting again at every score: the definition, slowly."""
    found = []
    for threshold in sorted(set(score_N.tolist()), reverse=True):
        predicted_N = score_N >= threshold
        union = int((predicted_N | (label_N == 1)).sum())
        found.append((int((predicted_N & (label_N == 1)).sum()) / union if union else 0.0, threshold))
    return found


def test_a_ranking_worked_out_by_hand() -> None:
    score_N = np.array([4.0, 3.0, 2.0, 1.0, 0.0], dtype=np.float32)
    label_N = np.array([1, 0, 1, 1, 0])
    points = metrics.curve(score_N, label_N)
    assert metrics.auprc(points) == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)
    assert metrics.auroc(points) == pytest.approx(4 / 6)
    assert metrics.best_threshold(points) == 1.0
    at = metrics.at_threshold(points, 1.0)
    assert (at["iou"], at["precision"], at["recall"]) == (3 / 4, 3 / 4, 1.0)
    assert at["f1"] == pytest.approx(6 / 7)
    assert metrics.at_threshold(points, 2.5)["iou"] == 1 / 4


def test_all_tied_scores_give_the_prevalence() -> None:
    points = metrics.curve(np.zeros(8, dtype=np.float32), np.array([1, 0, 0, 0, 1, 0, 0, 0]))
    assert metrics.auprc(points) == 0.25
    assert metrics.auroc(points) == 0.5


@given(rankings())
@settings(deadline=None)
def test_average_precision_and_auroc_agree_with_torchmetrics(ranking: tuple[np.ndarray, np.ndarray]) -> None:
    score_N, label_N = ranking
    points = metrics.curve(score_N, label_N)
    if 0 < label_N.sum() < len(label_N):
        # torchmetrics squeezes logits through a float32 sigmoid; ranks, which are all that counts, are safe from it
        rank_N = torch.from_numpy(np.unique(score_N + 0.0, return_inverse=True)[1] / len(score_N))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert metrics.auprc(points) == pytest.approx(
                float(binary_average_precision(rank_N, torch.from_numpy(label_N))), abs=1e-6
            )
            assert metrics.auroc(points) == pytest.approx(
                float(binary_auroc(rank_N, torch.from_numpy(label_N))), abs=1e-6
            )


@given(rankings())
def test_the_best_threshold_is_the_best_of_all(ranking: tuple[np.ndarray, np.ndarray]) -> None:
    score_N, label_N = ranking
    points = metrics.curve(score_N, label_N)
    best = metrics.best_threshold(points)
    if label_N.sum() == 0:
        assert best is None
        return
    assert best is not None
    candidates = every_threshold(score_N, label_N)
    at = metrics.at_threshold(points, best)
    assert at["iou"] == pytest.approx(max(iou for iou, _ in candidates))
    assert best == next(threshold for iou, threshold in candidates if iou == at["iou"])


@given(rankings(), st.floats(-8, 8, width=32))
def test_counts_at_a_threshold_are_those_of_the_definition(
    ranking: tuple[np.ndarray, np.ndarray], threshold: float
) -> None:
    score_N, label_N = ranking
    at = metrics.at_threshold(metrics.curve(score_N, label_N), threshold)
    predicted_N, positive_N = score_N >= threshold, label_N == 1
    true = int((predicted_N & positive_N).sum())
    assert at["recall"] == (true / positive_N.sum() if positive_N.any() else None)
    assert at["precision"] == (true / predicted_N.sum() if predicted_N.any() else None)
    either = int((predicted_N | positive_N).sum())
    assert at["iou"] == (true / either if either else None)
    if at["iou"] is not None and at["f1"] is not None:
        assert at["f1"] == pytest.approx(2 * at["iou"] / (1 + at["iou"]))


@given(rankings(), st.randoms())
def test_order_and_float_type_do_not_matter(
    ranking: tuple[np.ndarray, np.ndarray], random: np.random.RandomState
) -> None:
    score_N, label_N = ranking
    order = list(range(len(score_N)))
    random.shuffle(order)
    one = metrics.curve(score_N, label_N)
    other = metrics.curve(score_N[order].astype(np.float64), label_N[order])
    assert np.array_equal(one.threshold_T, other.threshold_T)
    assert np.array_equal(one.true_T, other.true_T)
    assert np.array_equal(one.false_T, other.false_T)


def test_extreme_scores_keep_their_order() -> None:
    tiny = np.finfo(np.float32).smallest_subnormal
    score_N = np.array([-np.inf, np.finfo(np.float32).min, -1.0, -tiny, 0.0, tiny, 1.0, np.inf], dtype=np.float32)
    points = metrics.curve(score_N, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert points.threshold_T.tolist() == score_N[::-1].astype(np.float64).tolist()
    assert metrics.auroc(points) == 1.0


@pytest.mark.parametrize("label_N", [np.zeros(5), np.zeros(0)])
def test_without_a_positive_nothing_is_made_up(label_N: np.ndarray) -> None:
    score_N = np.arange(len(label_N), dtype=np.float32)
    points = metrics.curve(score_N, label_N)
    assert metrics.auprc(points) is None
    assert metrics.auroc(points) is None
    assert metrics.best_threshold(points) is None
    at = metrics.at_threshold(points, 100.0)
    assert (at["iou"], at["f1"], at["precision"], at["recall"]) == (None, None, None, None)
    assert len(metrics.protein_auprc(score_N, label_N, np.zeros(len(label_N), dtype=np.int64))[0]) == 0


def test_without_a_negative_the_auprc_is_one_and_the_auroc_unknown() -> None:
    points = metrics.curve(np.array([1.0, 2.0], dtype=np.float32), np.ones(2))
    assert metrics.auprc(points) == 1.0
    assert metrics.auroc(points) is None


def test_nan_is_refused_with_the_number_of_them() -> None:
    with pytest.raises(RunFailed, match="2 of 3 logits are NaN"):
        metrics.curve(np.array([1.0, np.nan, np.nan], dtype=np.float32), np.array([0, 1, 0]))


def test_per_protein_auprc_is_that_of_each_protein_alone() -> None:
    generator = np.random.default_rng(3)
    protein_N = generator.integers(5, 12, 400)
    label_N = ((generator.random(400) < 0.1) & (protein_N != 7)).astype(np.int32)
    score_N = generator.normal(size=400).astype(np.float32)
    key_P, auprc_P = metrics.protein_auprc(score_N, label_N, protein_N)
    assert key_P.tolist() == [5, 6, 8, 9, 10, 11]
    for key, value in zip(key_P, auprc_P, strict=True):
        own = protein_N == key
        assert value == metrics.auprc(metrics.curve(score_N[own], label_N[own]))


def test_cross_entropy_of_large_logits_is_finite_and_right() -> None:
    score_N = np.array([0.0, 2.0, 500.0, -500.0], dtype=np.float32)
    label_N = np.array([1, 0, 1, 1])
    expected = [np.log(2.0), 2.0 + np.log1p(np.exp(-2.0)), 0.0, 500.0]
    assert metrics.cross_entropy(score_N, label_N) == pytest.approx(np.mean(expected))
    assert metrics.cross_entropy(score_N[:0], label_N[:0]) is None


@pytest.mark.parametrize(("logit", "label", "expected"), [(np.inf, 1, 0.0), (np.inf, 0, np.inf), (-np.inf, 1, np.inf)])
def test_cross_entropy_of_an_infinite_logit_is_a_number(logit: float, label: int, expected: float) -> None:
    assert metrics.cross_entropy(np.array([logit, 0.0]), np.array([label, 0])) == (expected + np.log(2.0)) / 2


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_infinite_logits_are_not_measured(wrong: float) -> None:
    logit_N, label_N = np.array([0.0, wrong, 1.0, wrong], dtype=np.float32), np.array([0, 1, 1, 0])
    with pytest.raises(RunFailed, match="2 of 4 logits are infinite"):
        measure("val", logit_N, label_N, np.zeros(4, dtype=np.int64), samples=0)
