"""Metrics of a ranking, exact: from raw logits by one sort, never binned.

Shape letters: N points, T distinct scores, highest first, P proteins.

A point is predicted positive where its score is at or above the threshold. Scores that are equal cannot be told
apart by any threshold, so they enter together, and the order of the points never matters. A quantity that the labels
leave undefined (AUPRC without a positive, precision where nothing is predicted) is None, not a number that looks real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from kag.errors import Diverged

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Count = TypeVar("Count", int, Floats)


@dataclass(frozen=True)
class Curve:
    """What every possible threshold would give."""

    threshold_T: Floats
    """Distinct scores, highest first."""
    true_T: Ints
    """Positives at or above each threshold."""
    false_T: Ints
    """Negatives at or above each threshold."""

    @property
    def positives(self) -> int:
        """Positive points in all."""
        return int(self.true_T[-1]) if len(self.true_T) else 0

    @property
    def negatives(self) -> int:
        """Negative points in all."""
        return int(self.false_T[-1]) if len(self.false_T) else 0


def curve(score_N: Array, label_N: Array) -> Curve:
    """Counts at every distinct score, by one sort.

    Args:
        score_N: raw logits, any float type.
        label_N: 0 or 1.

    Raises:
        Diverged: a score is NaN: the network that made it has diverged.
    """
    score_N, label_N = _descending(score_N, label_N)
    last_T = group_ends(score_N)
    true_T = np.cumsum(label_N, dtype=np.int64)[last_T]
    return Curve(score_N[last_T].astype(np.float64), true_T, last_T + 1 - true_T)


def auprc(points: Curve) -> float | None:
    """Average precision: the sum over thresholds of (rise in recall) x precision; None without a positive."""
    if points.positives == 0:
        return None
    precision_T = points.true_T / (points.true_T + points.false_T)
    rise_T = np.diff(points.true_T, prepend=0)
    return float(rise_T @ precision_T / points.positives)


def auroc(points: Curve) -> float | None:
    """Chance that a positive scores above a negative, ties counted half; None without both classes."""
    if points.positives == 0 or points.negatives == 0:
        return None
    above_T = points.true_T + np.concatenate([[0], points.true_T[:-1]])
    twice = int(np.diff(points.false_T, prepend=0) @ above_T)
    return twice / (2 * points.positives * points.negatives)


def best_threshold(points: Curve) -> float | None:
    """The score with the largest IoU over all thresholds (and so the largest F1), the highest one if several tie.

    None without a positive.
    """
    if points.positives == 0:
        return None
    iou_T = points.true_T / (points.positives + points.false_T)
    return float(points.threshold_T[int(np.argmax(iou_T))])


def overlap(true: Count, positive: Count, predicted: Count) -> dict[str, tuple[Count, Count]]:
    """Part and whole of `iou`, `f1`, `precision` and `recall`, from counts of points."""
    return {
        "iou": (true, positive + predicted - true),
        "f1": (2 * true, positive + predicted),
        "precision": (true, predicted),
        "recall": (true, positive),
    }


def at_threshold(points: Curve, threshold: float) -> dict[str, float | None]:
    """The `overlap` where every score at or above `threshold` (a logit) is predicted positive; None for 0/0."""
    scores = int(np.searchsorted(-points.threshold_T, -threshold, side="right"))
    true, false = (int(count_T[scores - 1]) if scores else 0 for count_T in (points.true_T, points.false_T))
    parts = overlap(true, points.positives, true + false)
    return {name: part / whole if whole else None for name, (part, whole) in parts.items()}


def protein_auprc(score_N: Array, label_N: Array, protein_N: Array) -> tuple[Ints, Floats]:
    """AUPRC of each protein that has a positive: (protein numbers, AUPRC), both in the order of the numbers."""
    order_N = np.argsort(protein_N, kind="stable")
    key_P, start_P = np.unique(np.asarray(protein_N)[order_N], return_index=True)
    found = {
        int(key): value
        for key, rows in zip(key_P, np.split(order_N, start_P[1:]), strict=False)  # no protein: one empty part
        if (value := auprc(curve(score_N[rows], label_N[rows]))) is not None
    }
    return np.array(list(found), dtype=np.int64), np.array(list(found.values()), dtype=np.float64)


def cross_entropy(score_N: Array, label_N: Array) -> float | None:
    """Mean binary cross-entropy in nats, every point weighing the same (no pos_weight); None without a point."""
    return float(np.mean(point_cross_entropy(score_N, label_N))) if len(score_N) else None


def point_cross_entropy(score_N: Array, label_N: Array) -> Floats:
    """Binary cross-entropy of each point, in nats."""
    logit_N = np.asarray(score_N, dtype=np.float64)
    loss_N: Floats = np.logaddexp(0.0, np.where(np.asarray(label_N) != 0, -logit_N, logit_N))
    return loss_N


def group_ends(score_N: Array) -> Ints:
    """Last position of each run of equal values in a sorted array."""
    if len(score_N) == 0:
        return np.zeros(0, dtype=np.int64)
    return np.append(np.flatnonzero(score_N[1:] != score_N[:-1]), len(score_N) - 1)


def _descending(score_N: Array, label_N: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Scores, highest first, and their labels."""
    check_scores(score_N)
    positive_N = np.asarray(label_N) != 0
    if score_N.dtype == np.float32:
        return _descending_float32(score_N, positive_N)
    order_N = np.argsort(-score_N, kind="stable")
    return score_N[order_N], positive_N[order_N]


def _descending_float32(score_N: Array, positive_N: NDArray[np.bool_]) -> tuple[Array, NDArray[np.bool_]]:
    """The same by sorting one array of integers, score and label packed together: several times faster than argsort.

    The bits of a float, read as an integer, are in the order of the floats once the sign is folded in.
    """
    bits_N = (score_N + np.float32(0.0)).view(np.uint32)  # + 0.0 turns -0.0 into 0.0, which is equal to it
    ordered_N = np.where(bits_N >> 31, ~bits_N, bits_N | np.uint32(1 << 31))
    packed_N = (~ordered_N).astype(np.uint64) << np.uint64(1) | positive_N
    packed_N.sort()
    ordered_N = ~(packed_N >> np.uint64(1)).astype(np.uint32)
    bits_N = np.where(ordered_N >> 31, ordered_N ^ np.uint32(1 << 31), ~ordered_N)
    return bits_N.view(np.float32), (packed_N & np.uint64(1)).astype(np.bool_)


def check_scores(score_N: Array) -> None:
    """Refuse NaN, which has no rank.

    Raises:
        Diverged: with the number of them.
    """
    _refuse("NaN", np.isnan(score_N))


def check_logits(logit_N: Array) -> None:
    """Refuse what is not finite: it may have a rank, but no loss.

    Raises:
        Diverged: with the number of them.
    """
    check_scores(logit_N)
    _refuse("infinite", np.isinf(logit_N))


def _refuse(what: str, found_N: NDArray[np.bool_]) -> None:
    count = int(found_N.sum())
    if count:
        raise Diverged(
            f"{count} of {len(found_N)} logits are {what}: these weights have diverged",
            remedy="lower optimizer.lr or optimizer.schedule.max_lr, or set trainer.gradient_clip",
        )
