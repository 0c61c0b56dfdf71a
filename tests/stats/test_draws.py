"""Draws of a metric are what the metric is of the points that a draw repeats, or leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from kag.stats import bootstrap, metrics
from kag.stats.metrics import Array
from tests.stats.test_bootstrap import example

SAMPLES = 20


def told(score_N: Array, label_N: Array) -> dict[str, float | None]:
    """What the metrics say themselves."""
    curve = metrics.curve(score_N, label_N)
    plain = {"auprc": metrics.auprc(curve), "auroc": metrics.auroc(curve)}
    return {**plain, "bce": metrics.cross_entropy(score_N, label_N), **metrics.at_threshold(curve, 1.0)}


def test_every_draw_is_the_metric_of_the_points_that_it_holds() -> None:
    score_N, label_N, unit_N = example()
    found = bootstrap.metric_draws(score_N, label_N, unit_N, 1.0, samples=SAMPLES, seed=11)
    losses = bootstrap.mean_draws(score_N, unit_N, samples=SAMPLES, seed=11)
    key_U, place_N = np.unique(unit_N, return_inverse=True)
    times_UW = np.hstack([bootstrap.resample(len(key_U), SAMPLES, 11), 1 - np.eye(len(key_U))]).astype(int)
    for weighting, times_U in enumerate(times_UW.T):
        rows = np.repeat(np.arange(len(score_N)), times_U[place_N])
        for name, value in told(score_N[rows], label_N[rows]).items():
            one = found[name]
            assert np.concatenate([one.draw_S, one.left_out_U])[weighting] == pytest.approx(value, rel=1e-9), name
        mean = np.concatenate([losses.draw_S, losses.left_out_U])[weighting]
        assert mean == pytest.approx(score_N[rows].mean(dtype=np.float64), rel=1e-9)


def test_the_value_is_that_of_all_points_and_what_is_undefined_has_none() -> None:
    score_N, label_N, unit_N = example()
    found = bootstrap.metric_draws(score_N, label_N, unit_N, 1.0, samples=3)
    assert {name: found[name].value for name in told(score_N, label_N)} == told(score_N, label_N)
    _, auprc_P = metrics.protein_auprc(score_N, label_N, unit_N)
    assert found["auprc_per_protein"].value == auprc_P.mean()
    assert set(bootstrap.metric_draws(score_N, label_N * 0, unit_N, None, samples=3)) == {"bce"}
