"""`Profile`: what pictures need of the scores of a split, small however many examples there are.

Shape letters: N examples, T distinct scores, C places of a curve, B bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kag.names import Part
from kag.stats import metrics
from kag.stats.metrics import Array, Curve, Floats
from kag.stats.scores import Scores, probable

STRETCHES = 190
"""Stretches of recall of which the extremes are kept: as many as a picture has room to tell apart."""

BINS = 40
"""Bins of a reliability curve at most."""

SMALLEST_BIN = 50
"""Examples in each of them, where there are as many."""


class Operating(NamedTuple):
    """What a threshold gives."""

    recall: float
    precision: float


class Outline(NamedTuple):
    """A precision-recall curve: of each stretch of recall the first, lowest, highest and last threshold.

    It begins at recall 0 with the precision of the highest threshold, as the average precision counts it.
    """

    recall_C: Floats
    precision_C: Floats


class Bin(NamedTuple):
    """Examples of about the same score."""

    predicted: float
    """Mean probability that the model gives."""
    observed: float
    """Share of positives."""
    examples: int
    positives: int


@dataclass(frozen=True, eq=False)
class Profile:
    """What the scores of a split look like."""

    split: Part
    examples: int
    examples_digest: str
    weights_digest: str | None
    """None of another program."""
    positives: int | None
    """None where the scores are losses, without labels."""
    threshold: float | None
    auprc: float | None
    """None without a positive."""
    outline: Outline | None
    """None without a positive."""
    at_threshold: Operating | None
    """None without a threshold or a positive, and where nothing is predicted."""
    bins: tuple[Bin, ...]
    """By rising probability; empty where the scores are none."""
    groups: tuple[str, ...] | None
    """What the examples belong to, such as proteins; None where each stands for itself."""
    auprc_of: Mapping[str, float]
    """AUPRC of each group that has a positive."""


def profile_of(scores: Scores) -> Profile:
    """What the scores look like. Logits of kag's own weights are taken as such; of another program probabilities are.

    Raises:
        Diverged: a score is NaN or infinite.
    """
    metrics.check_logits(scores.value_N)
    label_N = scores.label_N
    curve = None if label_N is None else metrics.curve(scores.value_N, label_N)
    ranked = curve if curve is not None and curve.positives else None
    return Profile(
        split=scores.split,
        examples=len(scores.value_N),
        examples_digest=scores.examples_digest,
        weights_digest=scores.weights_digest,
        positives=None if curve is None else curve.positives,
        threshold=scores.threshold,
        auprc=metrics.auprc(ranked) if ranked else None,
        outline=outline(ranked) if ranked else None,
        at_threshold=_operating(ranked, scores.threshold) if ranked else None,
        bins=() if label_N is None else _bins(scores, label_N),
        groups=scores.groups,
        auprc_of={} if label_N is None else _auprc_of(scores, label_N),
    )


def outline(curve: Curve) -> Outline:
    """The precision-recall curve of a ranking with a positive, as far as a picture shows it: at most 4 x `STRETCHES`
    of its points, among them the highest and the lowest precision of each stretch of recall.
    """
    recall_T = curve.true_T / curve.positives
    precision_T = curve.true_T / (curve.true_T + curve.false_T)
    stretch_T = np.minimum((recall_T * STRETCHES).astype(np.int64), STRETCHES - 1)
    bounds = [0, *(metrics.group_ends(stretch_T) + 1)]
    kept: set[int] = set()
    for first, end in pairwise(map(int, bounds)):
        part = precision_T[first:end]
        kept |= {first, first + int(part.argmin()), first + int(part.argmax()), end - 1}
    chosen = sorted(kept)
    return Outline(np.append(0.0, recall_T[chosen]), np.append(precision_T[0], precision_T[chosen]))


def reliability(probability_N: Array, label_N: Array) -> tuple[Bin, ...]:
    """Bins with the same number of examples each, as far as equal probabilities allow: those stay together.

    With few examples there are fewer bins. Their mean probability against their share of positives is the reliability
    diagram (DeGroot & Fienberg 1983; Niculescu-Mizil & Caruana 2005).
    """
    total = len(probability_N)
    order_N = np.argsort(probability_N, kind="stable")
    sorted_N, positive_N = probability_N[order_N].astype(np.float64), np.asarray(label_N)[order_N] != 0
    bins = min(BINS, max(1, total // SMALLEST_BIN))
    nominal = [round(place * total / bins) for place in range(1, bins + 1)] if total else []
    ends = sorted({int(np.searchsorted(sorted_N, sorted_N[end - 1], side="right")) for end in nominal})
    return tuple(
        Bin(
            float(sorted_N[first:end].mean()), float(positive_N[first:end].mean()),
            end - first, int(positive_N[first:end].sum()),
        )
        for first, end in pairwise([0, *ends])
    )  # fmt: skip


def _operating(curve: Curve, threshold: float | None) -> Operating | None:
    if threshold is None:
        return None
    found = metrics.at_threshold(curve, threshold)
    recall, precision = found["recall"], found["precision"]
    return None if recall is None or precision is None else Operating(recall, precision)


def _bins(scores: Scores, label_N: Array) -> tuple[Bin, ...]:
    value_N = scores.value_N.astype(np.float64)
    if scores.weights_digest is not None:
        return reliability(np.exp(-np.logaddexp(0.0, -value_N)), label_N)
    return reliability(value_N, label_N) if probable(value_N) else ()


def _auprc_of(scores: Scores, label_N: Array) -> dict[str, float]:
    if scores.groups is None:
        return {}
    group_G, auprc_G = metrics.protein_auprc(scores.value_N, label_N, scores.group_N)
    return {scores.groups[int(group)]: float(value) for group, value in zip(group_G, auprc_G, strict=True)}
