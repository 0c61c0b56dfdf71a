"""Draws of every metric by a bootstrap over units, and its value with each unit left out in turn.

A unit is a protein, or a group of proteins that belong together (apo and holo, homologues): whole units are drawn with
replacement, their points stay together. Points of one protein are not independent, so a bootstrap over points would
give an interval several times too narrow.

Shape letters: N points, U units, P proteins, S resamples, C weightings of the units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kag.errors import DataError
from kag.stats.interval import Interval
from kag.stats.metrics import Array, Floats, Ints, check_logits, overlap, point_cross_entropy, protein_auprc
from kag.stats.weighted import ranking, ratio

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
    check_logits(logit_N)
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    weight_UC = _weightings(len(key_U), samples, seed)
    auprc_C, auroc_C = ranking(logit_N, label_N, unit_N, weight_UC)
    found = {
        "auprc": auprc_C,
        "auprc_per_protein": ratio(*_per_protein(logit_N, label_N, unit_N, protein_N, len(key_U)), weight_UC),
        "auroc": auroc_C,
    }
    if threshold is not None:
        parts = overlap(*(_sizes(unit_N[of_N], len(key_U)) for of_N in _chosen(logit_N, label_N, threshold)))
        found |= {name: ratio(part_U, whole_U, weight_UC) for name, (part_U, whole_U) in parts.items()}
    found["bce"] = ratio(*_sums(point_cross_entropy(logit_N, label_N), unit_N, len(key_U)), weight_UC)
    return {name: _resampled(value_C, samples) for name, value_C in found.items()}


def mean_draws(value_N: Array, unit_N: Array, *, samples: int = SAMPLES, seed: int = 0) -> Resampled:
    """Draws of the mean over all points, as of a loss; the same units are drawn as by `metric_draws`."""
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    value_C = ratio(*_sums(value_N, unit_N, len(key_U)), _weightings(len(key_U), samples, seed))
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


def _per_protein(
    logit_N: Array, label_N: Array, unit_N: Ints, protein_N: Array | None, units: int
) -> tuple[Floats, Floats]:
    """AUPRC of the proteins that have a positive, summed over each unit, and how many they are."""
    key_P, first_P, protein_N = np.unique(
        unit_N if protein_N is None else protein_N, return_index=True, return_inverse=True
    )
    unit_P = unit_N[first_P]
    if (unit_P[protein_N] != unit_N).any():
        torn = key_P[protein_N[np.flatnonzero(unit_P[protein_N] != unit_N)[0]]]
        raise DataError(f"points of protein {torn} are in several units", remedy="give all its points the same unit")
    number_P, auprc_P = protein_auprc(logit_N, label_N, protein_N)
    return _sums(auprc_P, unit_P[number_P], units)


def _chosen(logit_N: Array, label_N: Array, threshold: float) -> Iterator[Array]:
    """True positives, positives and predicted points."""
    positive_N, predicted_N = np.asarray(label_N) != 0, logit_N >= threshold
    yield from (positive_N & predicted_N, positive_N, predicted_N)


def _sums(value_N: Array, unit_N: Ints, units: int) -> tuple[Floats, Floats]:
    """Sum of the values in each unit, and their number."""
    sum_U: Floats = np.bincount(unit_N, value_N, units).astype(np.float64, copy=False)
    return sum_U, _sizes(unit_N, units)


def _sizes(unit_N: Ints, units: int) -> Floats:
    return np.bincount(unit_N, minlength=units).astype(np.float64)
