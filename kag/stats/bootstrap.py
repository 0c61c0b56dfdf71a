"""95 % intervals by a bootstrap over proteins: whole proteins are drawn with replacement, their points stay together.

Points of one protein are not independent, so a bootstrap over points would give an interval several times too narrow.

Shape letters: N points, P proteins, U units (proteins, or whatever is drawn as a whole), S resamples, W weightings of
the units, G distinct scores that a positive has, highest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kag.stats import metrics
from kag.stats.interval import Interval
from kag.stats.metrics import Array, Floats, Ints, check_logits, check_scores, group_ends, overlap, protein_auprc

SAMPLES = 1000
ROWS = 2**21
"""Numbers in the largest temporary array."""


@dataclass(frozen=True)
class Resampled:
    """A metric, and what becomes of it when other units are drawn; two that were drawn alike make a paired test."""

    value: float
    draw_S: Floats
    """In each resample; NaN where it leaves the metric undefined."""
    left_out_U: Floats
    """With each unit left out, in the order of the units; NaN where that leaves it undefined."""


def metric_draws(
    logit_N: Array,
    label_N: Array,
    unit_N: Array,
    threshold: float | None,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Resampled]:
    """Each metric of `kag.names.METRICS` that these labels define, but for the threshold itself.

    Args:
        unit_N: a number for each unit; what is drawn and left out is a whole unit.
        threshold: a logit, at and above which a point is predicted positive; None leaves out what depends on one.

    Raises:
        Diverged: a logit is NaN or infinite.
    """
    check_logits(logit_N)
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    weight_UW = _weightings(len(key_U), samples, seed)
    curve = metrics.curve(logit_N, label_N)
    known_P, auprc_P = protein_auprc(logit_N, label_N, unit_N)
    loss_N = metrics.point_cross_entropy(logit_N, label_N)
    found = {
        "auprc": (metrics.auprc(curve), _auprc(logit_N, label_N, unit_N, weight_UW)),
        "auprc_per_protein": (
            float(auprc_P.mean()) if len(auprc_P) else None,
            _share(auprc_P @ weight_UW[known_P], weight_UW[known_P].sum(axis=0)),
        ),
        "auroc": (metrics.auroc(curve), _auroc(logit_N, label_N, unit_N, weight_UW)),
        "bce": (metrics.cross_entropy(logit_N, label_N), _mean(loss_N, unit_N, weight_UW)),
    }
    if threshold is not None:
        parts = _overlap(logit_N >= threshold, label_N, unit_N, weight_UW)
        found |= {name: (value, parts[name]) for name, value in metrics.at_threshold(curve, threshold).items()}
    return {
        name: Resampled(value, value_W[:samples], value_W[samples:])
        for name, (value, value_W) in found.items()
        if value is not None
    }


def mean_draws(value_N: Array, unit_N: Array, *, samples: int = SAMPLES, seed: int = 0) -> Resampled:
    """The mean of a value that every point has, such as its loss; there is at least one point."""
    key_U, unit_N = np.unique(unit_N, return_inverse=True)
    value_W = _mean(value_N, unit_N, _weightings(len(key_U), samples, seed))
    return Resampled(float(np.mean(value_N, dtype=np.float64)), value_W[:samples], value_W[samples:])


def resample(proteins: int, samples: int, seed: int) -> Floats:
    """How often each protein is drawn, (proteins, samples); the same for the same arguments.

    Two models that are compared on the same proteins use the same draws, so that their difference is paired.
    """
    if proteins == 0:
        return np.zeros((0, samples))
    generator = np.random.default_rng(seed)
    times_SP = generator.multinomial(proteins, np.full(proteins, 1.0 / proteins), size=samples)
    return np.ascontiguousarray(times_SP.T, dtype=np.float64)


def interval(value_S: Floats) -> Interval | None:
    """2.5 and 97.5 percentile; resamples without a positive (NaN) are left out, None if none is left."""
    known_S = value_S[~np.isnan(value_S)]
    if len(known_S) == 0:
        return None
    low, high = np.quantile(known_S, [0.025, 0.975])
    return Interval(float(low), float(high))


def auprc_samples(score_N: Array, label_N: Array, protein_N: Array, *, samples: int = SAMPLES, seed: int = 0) -> Floats:
    """Pooled AUPRC of each resample, shape (samples,); NaN where a resample has no positive.

    The points are sorted once. Every resample is a weighting of the proteins, so the counts above each score are
    products of one (scores, proteins) matrix with the weights.

    Raises:
        Diverged: a score is NaN.
    """
    check_scores(score_N)
    key_P, protein_N = np.unique(protein_N, return_inverse=True)
    return _auprc(score_N, label_N, protein_N, resample(len(key_P), samples, seed))


def bootstrap_auprc(
    score_N: Array, label_N: Array, protein_N: Array, *, samples: int = SAMPLES, seed: int = 0
) -> Interval | None:
    """95 % interval of the pooled AUPRC; None without a positive."""
    return interval(auprc_samples(score_N, label_N, protein_N, samples=samples, seed=seed))


def bootstrap_auprc_per_protein(
    score_N: Array, label_N: Array, protein_N: Array, *, samples: int = SAMPLES, seed: int = 0
) -> Interval | None:
    """95 % interval of the mean over proteins of their own AUPRC; None without a positive."""
    _, auprc_P = protein_auprc(score_N, label_N, protein_N)
    if len(auprc_P) == 0:
        return None
    return interval(auprc_P @ resample(len(auprc_P), samples, seed) / len(auprc_P))


def bootstrap_overlap(
    score_N: Array, label_N: Array, protein_N: Array, threshold: float, *, samples: int = SAMPLES, seed: int = 0
) -> dict[str, Interval | None]:
    """95 % intervals of `iou`, `f1`, `precision` and `recall` at a fixed threshold (a logit)."""
    key_P, protein_N = np.unique(protein_N, return_inverse=True)
    weight_PS = resample(len(key_P), samples, seed)
    found = _overlap(score_N >= threshold, label_N, protein_N, weight_PS)
    return {name: interval(value_S) for name, value_S in found.items()}


def _weightings(units: int, samples: int, seed: int) -> Floats:
    """The resamples, then every unit left out once: (units, samples + units)."""
    return np.hstack([resample(units, samples, seed), 1.0 - np.eye(units)])


def _auprc(score_N: Array, label_N: Array, unit_N: Ints, weight_UW: Floats) -> Floats:
    units, weightings = weight_UW.shape
    area_W, found_W = np.zeros(weightings), np.zeros(weightings)
    for true_GU, all_GU in _counts(score_N, label_N, unit_N, units, max(1, ROWS // max(weightings, 1))):
        true_GW, all_GW = true_GU @ weight_UW, all_GU @ weight_UW
        precision_GW = np.divide(true_GW, all_GW, out=np.zeros_like(true_GW), where=all_GW > 0)
        area_W += (np.diff(true_GW, axis=0, prepend=found_W[None]) * precision_GW).sum(axis=0)
        found_W = true_GW[-1]
    return _share(area_W, found_W)


def _auroc(score_N: Array, label_N: Array, unit_N: Ints, weight_UW: Floats) -> Floats:
    """Half of what is not above a positive, half of what is below it: ties count half."""
    positive_N = np.asarray(label_N) != 0
    positive_W, negative_W = (
        np.bincount(unit_N[chosen_N], minlength=len(weight_UW)) @ weight_UW for chosen_N in (positive_N, ~positive_N)
    )
    above_W, below_W = (_negatives_above(sign * score_N, label_N, unit_N, weight_UW) for sign in (1, -1))
    return (1.0 + _share(below_W - above_W, positive_W * negative_W)) / 2.0


def _negatives_above(score_N: Array, label_N: Array, unit_N: Ints, weight_UW: Floats) -> Floats:
    """Pairs of a positive and a negative that scores as high or higher."""
    units, weightings = weight_UW.shape
    pairs_W, found_W = np.zeros(weightings), np.zeros(weightings)
    for true_GU, all_GU in _counts(score_N, label_N, unit_N, units, max(1, ROWS // max(weightings, 1))):
        true_GW = true_GU @ weight_UW
        rise_GW = np.diff(true_GW, axis=0, prepend=found_W[None])
        pairs_W += (rise_GW * ((all_GU - true_GU) @ weight_UW)).sum(axis=0)
        found_W = true_GW[-1]
    return pairs_W


def _overlap(predicted_N: Array, label_N: Array, unit_N: Ints, weight_UW: Floats) -> dict[str, Floats]:
    positive_N = np.asarray(label_N) != 0
    true_W, positive_W, predicted_W = (
        np.bincount(unit_N[chosen_N], minlength=len(weight_UW)) @ weight_UW
        for chosen_N in (positive_N & predicted_N, positive_N, predicted_N)
    )
    parts = overlap(true_W, positive_W, predicted_W)
    return {name: _share(part_W, whole_W) for name, (part_W, whole_W) in parts.items()}


def _mean(value_N: Array, unit_N: Ints, weight_UW: Floats) -> Floats:
    sum_U, count_U = np.bincount(unit_N, value_N, len(weight_UW)), np.bincount(unit_N, minlength=len(weight_UW))
    return _share(sum_U @ weight_UW, count_U @ weight_UW)


def _share(part_S: Floats, whole_S: Floats) -> Floats:
    share_S: Floats = np.full(part_S.shape, np.nan)
    np.divide(part_S, whole_S, out=share_S, where=whole_S > 0)
    return share_S


def _counts(
    score_N: Array, label_N: Array, protein_N: Ints, proteins: int, rows: int
) -> Iterator[tuple[Floats, Floats]]:
    """Positives and points of each protein at or above each score of a positive, in blocks of at most `rows` scores."""
    order_N = np.argsort(-np.asarray(score_N, dtype=np.float64), kind="stable")
    sorted_N, positive_N, protein_N = score_N[order_N], np.asarray(label_N)[order_N] != 0, protein_N[order_N]
    last_T = group_ends(sorted_N)
    holds_T = np.diff(np.cumsum(positive_N)[last_T], prepend=0) > 0 if len(last_T) else np.zeros(0, dtype=bool)
    end_G = last_T[holds_T] + 1
    true_P, all_P, begin = np.zeros(proteins), np.zeros(proteins), 0
    for first in range(0, len(end_G), rows):
        end_block = end_G[first : first + rows]
        row_N = np.repeat(np.arange(len(end_block)), np.diff(end_block, prepend=begin))
        cell_N = row_N * proteins + protein_N[begin : end_block[-1]]
        shape = (len(end_block), proteins)
        all_GP = _running(cell_N, shape, all_P)
        true_GP = _running(cell_N[positive_N[begin : end_block[-1]]], shape, true_P)
        yield true_GP, all_GP
        true_P, all_P, begin = true_GP[-1], all_GP[-1], int(end_block[-1])


def _running(cell_N: Ints, shape: tuple[int, int], before_P: Floats) -> Floats:
    count_GP = np.bincount(cell_N, minlength=shape[0] * shape[1]).reshape(shape)
    return before_P + np.cumsum(count_GP, axis=0)
