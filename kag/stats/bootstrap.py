"""95 % intervals by a bootstrap over proteins: whole proteins are drawn with replacement, their points stay together.

Points of one protein are not independent, so a bootstrap over points would give an interval several times too narrow.

Shape letters: N points, P proteins, S resamples, G distinct scores that a positive has, highest first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kag.stats.interval import Interval
from kag.stats.metrics import Array, Floats, Ints, check_scores, group_ends, overlap, protein_auprc

SAMPLES = 1000
ROWS = 2**21
"""Numbers in the largest temporary array."""


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
    weight_PS = resample(len(key_P), samples, seed)
    area_S = np.zeros(samples)
    found_S = np.zeros(samples)
    for true_GP, all_GP in _counts(score_N, label_N, protein_N, len(key_P), max(1, ROWS // max(samples, len(key_P)))):
        true_GS, all_GS = true_GP @ weight_PS, all_GP @ weight_PS
        precision_GS = np.divide(true_GS, all_GS, out=np.zeros_like(true_GS), where=all_GS > 0)
        area_S += (np.diff(true_GS, axis=0, prepend=found_S[None]) * precision_GS).sum(axis=0)
        found_S = true_GS[-1]
    return _share(area_S, found_S)


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
    positive_N, predicted_N = np.asarray(label_N) != 0, score_N >= threshold
    true_S, positive_S, predicted_S = (
        np.bincount(protein_N[chosen_N], minlength=len(key_P)) @ weight_PS
        for chosen_N in (positive_N & predicted_N, positive_N, predicted_N)
    )
    parts = overlap(true_S, positive_S, predicted_S)
    return {name: interval(_share(part_S, whole_S)) for name, (part_S, whole_S) in parts.items()}


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
