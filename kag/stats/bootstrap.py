"""Draws of every metric by a bootstrap over units, and its value with each unit left out in turn.

A unit is a protein, or a group of proteins that belong together (apo and holo, homologues): whole units are drawn with
replacement, their points stay together. Points of one protein are not independent, so a bootstrap over points would
give an interval several times too narrow.

Shape letters: N points, U units, S resamples, C weightings of the units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kag.stats.interval import Interval
from kag.stats.metrics import Array, Floats
from kag.stats.weighted import weighted_mean, weighted_metrics

SAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Resampled:
    """A metric, and what it would have been on other units: what a difference of two models is judged by."""

    value: float
    """NaN where undefined, as everywhere below."""
    draw_S: Floats
    """On each resample of the units."""
    left_out_U: Floats
    """Without each unit in turn, ascending by the unit's number."""


def metric_draws(
    logit_N: Array,
    label_N: Array,
    unit_N: Array,
    threshold: float | None,
    *,
    protein_N: Array | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Resampled]:
    """Draws of the metrics of `kag.names.METRICS` in one pass over the sorted logits.

    What is drawn depends on the number of units, `samples` and `seed` alone, so the draws of two models on the same
    data are pairs.

    Args:
        label_N: 0 or 1.
        unit_N: a number for each unit.
        threshold: a logit that was chosen elsewhere; with None there is no `iou`, `f1`, `precision` and `recall`.
        protein_N: a number for each protein, for the mean over proteins; None where each unit is one.

    Raises:
        DataError: points of one protein are in several units.
        Diverged: a logit is NaN or infinite.
    """
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    weight_UC = _weightings(len(key_U), samples, seed)
    found = weighted_metrics(logit_N, label_N, unit_N, weight_UC, threshold, protein_N)
    return {name: _resampled(value_C, samples) for name, value_C in found.items()}


def mean_draws(value_N: Array, unit_N: Array, *, samples: int = SAMPLES, seed: int = 0) -> Resampled:
    """Draws of the mean over all points, as of a loss; the same units are drawn as by `metric_draws`."""
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    value_C = weighted_mean(value_N, unit_N, _weightings(len(key_U), samples, seed))
    return _resampled(value_C, samples)


def resample(units: int, samples: int, seed: int) -> Floats:
    """How often each unit is drawn, (units, samples); the same for the same arguments."""
    if units == 0:
        return np.zeros((0, samples))
    generator = np.random.default_rng(seed)
    times_SU = generator.multinomial(units, np.full(units, 1.0 / units), size=samples)
    return np.ascontiguousarray(times_SU.T, dtype=np.float64)


def interval(value_S: Floats) -> Interval | None:
    """2.5 and 97.5 percentile; resamples without a value (NaN) are left out, None if none is left."""
    known_S = value_S[~np.isnan(value_S)]
    if len(known_S) == 0:
        return None
    low, high = np.quantile(known_S, [0.025, 0.975])
    return Interval(float(low), float(high))


def _weightings(units: int, samples: int, seed: int) -> Floats:
    """Each resample, all but each unit, all units."""
    return np.hstack([resample(units, samples, seed), 1.0 - np.eye(units), np.ones((units, 1))])


def _resampled(value_C: Floats, samples: int) -> Resampled:
    return Resampled(float(value_C[-1]), value_C[:samples].copy(), value_C[samples:-1].copy())
