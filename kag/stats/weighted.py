"""Metrics under many weightings of the units at once: a bootstrap, a jackknife and a bag are columns of one product.

A unit is what is drawn or left out as a whole: a protein, or proteins that belong together. A weighting says how often
each unit counts, so repeating points is a product of one (scores, units) matrix of counts with the weights. Counts and
whole weights are exact in floating point, so equal scores give equal values to the last bit.

Shape letters: N points, U units, P proteins, C weightings, G distinct scores that a positive has, highest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kag.errors import DataError
from kag.stats.metrics import (
    Array,
    Floats,
    Ints,
    check_logits,
    check_scores,
    group_ends,
    overlap,
    point_cross_entropy,
    protein_auprc,
)

ROWS = 2**21
"""Numbers in the largest temporary array."""


class Ranking(NamedTuple):
    """Metrics of a ranking under each weighting."""

    auprc_C: Floats
    """NaN where no positive is weighted."""
    auroc_C: Floats
    """NaN where one of the classes is not weighted."""


class _Block(NamedTuple):
    """Some of the scores that a positive has, each unit by itself."""

    rise_GU: Floats
    """Positives at the score."""
    tied_GU: Floats
    """Negatives at the score."""
    true_GU: Floats
    """Positives at or above it."""
    all_GU: Floats
    """Points at or above it."""


def weighted_metrics(
    logit_N: Array,
    label_N: Array,
    unit_N: Ints,
    weight_UC: Floats,
    threshold: float | None = None,
    protein_N: Array | None = None,
) -> dict[str, Floats]:
    """The metrics of `kag.names.METRICS` under each weighting; NaN where undefined.

    Args:
        label_N: 0 or 1.
        unit_N: 0 ... U - 1.
        weight_UC: whole numbers, 0 or more.
        threshold: a logit; with None there is no `iou`, `f1`, `precision` and `recall`.
        protein_N: a number for each protein, for the mean over proteins; None where each unit is one.

    Raises:
        DataError: points of one protein are in several units.
        Diverged: a logit is NaN or infinite.
    """
    check_logits(logit_N)
    units = len(weight_UC)
    auprc_C, auroc_C = ranking(logit_N, label_N, unit_N, weight_UC)
    found = {
        "auprc": auprc_C,
        "auprc_per_protein": ratio(*_per_protein(logit_N, label_N, unit_N, protein_N, units), weight_UC),
        "auroc": auroc_C,
    }
    if threshold is not None:
        positive_N, predicted_N = np.asarray(label_N) != 0, logit_N >= threshold
        chosen = positive_N & predicted_N, positive_N, predicted_N
        parts = overlap(*(_sizes(unit_N[chosen_N], units) for chosen_N in chosen))
        found |= {name: ratio(part_U, whole_U, weight_UC) for name, (part_U, whole_U) in parts.items()}
    return found | {"bce": weighted_mean(point_cross_entropy(logit_N, label_N), unit_N, weight_UC)}


def ranking(score_N: Array, label_N: Array, unit_N: Ints, weight_UC: Floats) -> Ranking:
    """Pooled AUPRC and AUROC under each weighting, by one sort.

    AUROC is a form in the weights of two units, that of the positive and that of the negative, so the pairs of units
    are counted once for all weightings.

    Raises:
        Diverged: a score is NaN.
    """
    check_scores(score_N)
    units, columns = weight_UC.shape
    area_C, found_C = np.zeros(columns), np.zeros(columns)
    positive_U = np.bincount(unit_N[np.asarray(label_N) != 0], minlength=units).astype(np.float64)
    negative_U = np.bincount(unit_N, minlength=units) - positive_U
    won_UU = np.outer(positive_U, negative_U)
    for block in _blocks(score_N, label_N, unit_N, units, max(1, ROWS // max(columns, units))):
        true_GC, all_GC = block.true_GU @ weight_UC, block.all_GU @ weight_UC
        precision_GC = np.divide(true_GC, all_GC, out=all_GC, where=all_GC > 0)  # 0 of 0 points stays 0
        rise_GC = np.empty_like(true_GC)
        np.subtract(true_GC[0], found_C, out=rise_GC[0])
        np.subtract(true_GC[1:], true_GC[:-1], out=rise_GC[1:])
        area_C += np.einsum("gc,gc->c", rise_GC, precision_GC)
        found_C = true_GC[-1]
        won_UU -= block.rise_GU.T @ (block.all_GU - block.true_GU - block.tied_GU / 2)
    won_C = (weight_UC * (won_UU @ weight_UC)).sum(axis=0)
    positive_C, negative_C = positive_U @ weight_UC, negative_U @ weight_UC
    return Ranking(share(area_C, positive_C), share(won_C, positive_C * negative_C))


def weighted_mean(value_N: Array, unit_N: Ints, weight_UC: Floats) -> Floats:
    """Mean over all points under each weighting; NaN where none is weighted."""
    return ratio(*_sums(value_N, unit_N, len(weight_UC)), weight_UC)


def ratio(part_U: Array, whole_U: Array, weight_UC: Floats) -> Floats:
    """Sum of the parts over sum of the wholes under each weighting; NaN where there is no whole."""
    return share(part_U @ weight_UC, whole_U @ weight_UC)


def share(part_C: Floats, whole_C: Floats) -> Floats:
    """Part divided by whole; NaN where there is no whole."""
    share_C: Floats = np.full(part_C.shape, np.nan)
    np.divide(part_C, whole_C, out=share_C, where=whole_C > 0)
    return share_C


def _blocks(score_N: Array, label_N: Array, unit_N: Ints, units: int, rows: int) -> Iterator[_Block]:
    """Counts at each score of a positive, in blocks of at most `rows` scores."""
    order_N = np.argsort(-np.asarray(score_N, dtype=np.float64), kind="stable")
    sorted_N, positive_N, unit_N = score_N[order_N], np.asarray(label_N)[order_N] != 0, unit_N[order_N]
    last_T = group_ends(sorted_N)
    holds_T = np.diff(np.cumsum(positive_N)[last_T], prepend=0) > 0 if len(last_T) else np.zeros(0, dtype=bool)
    end_G = last_T[holds_T] + 1
    start_G = np.concatenate([[0], last_T + 1])[:-1][holds_T]
    true_U, all_U, begin = np.zeros(units), np.zeros(units), 0
    for first in range(0, len(end_G), rows):
        end_g, start_g = end_G[first : first + rows], start_G[first : first + rows]
        row_n = np.repeat(np.arange(len(end_g)), np.diff(end_g, prepend=begin))
        cell_n, positive_n = row_n * units + unit_N[begin : end_g[-1]], positive_N[begin : end_g[-1]]
        tied_n = ~positive_n & (np.arange(begin, end_g[-1]) >= start_g[row_n])
        rise_GU, tied_GU, new_GU = (
            np.bincount(cell_n[chosen_n], minlength=len(end_g) * units).reshape(-1, units).astype(np.float64)
            for chosen_n in (positive_n, tied_n, slice(None))
        )
        block = _Block(rise_GU, tied_GU, true_U + np.cumsum(rise_GU, axis=0), all_U + np.cumsum(new_GU, axis=0))
        yield block
        true_U, all_U, begin = block.true_GU[-1], block.all_GU[-1], int(end_g[-1])


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


def _sums(value_N: Array, unit_N: Ints, units: int) -> tuple[Floats, Floats]:
    """Sum of the values in each unit, and their number."""
    sum_U: Floats = np.bincount(unit_N, value_N, units).astype(np.float64, copy=False)
    return sum_U, _sizes(unit_N, units)


def _sizes(unit_N: Ints, units: int) -> Floats:
    return np.bincount(unit_N, minlength=units).astype(np.float64)
