"""From logits to the numbers of a results table, each with its interval. No torch: predictions on disk are enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kag.names import METRICS, Part
from kag.stats import bootstrap, metrics
from kag.stats.bootstrap import Resampled
from kag.stats.interval import Interval
from kag.stats.metrics import Array


@dataclass(frozen=True)
class Evaluation:
    """What weights score on a split."""

    split: Part
    values: Mapping[str, float | None]
    """By the names of `kag.names.METRICS`, in their order; None where the labels leave a metric undefined."""
    intervals: Mapping[str, Interval]
    """95 % by bootstrap over proteins, or clusters of them; empty where none was asked for.

    At a fixed threshold for iou, f1, ...
    """
    points: int
    positives: int
    proteins: int
    draws: Mapping[str, Resampled] = field(default_factory=dict, compare=False, repr=False)
    """What is behind the intervals; empty where none was asked for."""

    @property
    def auprc(self) -> float:
        """Pooled AUPRC; 0 without a positive, so that it can be compared."""
        return self.values["auprc"] or 0.0

    @property
    def threshold(self) -> float | None:
        """Logit at and above which a point is predicted positive."""
        return self.values["threshold"]


def measure(
    split: Part,
    logit_N: Array,
    label_N: Array,
    protein_N: Array,
    *,
    unit_N: Array | None = None,
    threshold: float | None = None,
    samples: int = bootstrap.SAMPLES,
) -> Evaluation:
    """All metrics of a split.

    Args:
        label_N: 0 or 1.
        protein_N: a number for each protein.
        unit_N: a number for what is drawn as a whole, such as proteins that belong together; None is each protein.
        threshold: a logit that was chosen elsewhere (on val); None chooses the one with the best IoU here.
        samples: resamples of the bootstrap; 0 leaves the intervals out. They are the same for all models.

    Raises:
        DataError: points of one protein are in several units.
        Diverged: a logit is NaN or infinite.
    """
    metrics.check_logits(logit_N)
    curve = metrics.curve(logit_N, label_N)
    threshold = metrics.best_threshold(curve) if threshold is None else threshold
    _, auprc_P = metrics.protein_auprc(logit_N, label_N, protein_N)
    values = {
        "auprc": metrics.auprc(curve),
        "auprc_per_protein": float(auprc_P.mean()) if len(auprc_P) else None,
        "auroc": metrics.auroc(curve),
        "threshold": threshold,
        "bce": metrics.cross_entropy(logit_N, label_N),
        **(metrics.at_threshold(curve, threshold) if threshold is not None else {}),
    }
    drawn_N = protein_N if unit_N is None else unit_N
    draws = {}
    if samples:
        draws = bootstrap.metric_draws(logit_N, label_N, drawn_N, threshold, protein_N=protein_N, samples=samples)
    bounds = {name: bootstrap.interval(each.draw_S) for name, each in draws.items()}
    return Evaluation(
        split=split,
        values={name: values.get(name) for name in METRICS},
        intervals={name: each for name, each in bounds.items() if each is not None},
        points=len(logit_N),
        positives=curve.positives,
        proteins=len(np.unique(protein_N)),
        draws={name: each for name, each in draws.items() if values.get(name) is not None},
    )
