"""Hard positives: points that bind and that the weights miss, worst first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from kag.data.batches import evaluation_batches
from kag.data.mined import Mined
from kag.data.sites import Sites
from kag.errors import DataError
from kag.names import Split
from kag.track.looks import SECRET
from kag.track.result import Look
from kag.weights.bench import Bench
from kag.weights.evaluate import Predictions, Progress, evaluate, score


@dataclass(frozen=True)
class Mining:
    """What was found, ready for `kag.data.mined.write_mined`."""

    mined: Mined
    threshold: float
    """Logit below which a positive is missed: the one with the best IoU on val."""
    positives: int
    """Positives of the split."""
    missed: int
    """Those below the threshold, before any limit."""

    def looks(self, file: str, when: datetime) -> tuple[Look, ...]:
        """The look at a test set that it was, if it was one; `file` is the name of the data file."""
        mined = self.mined
        seen = {"split": mined.split, "data_digest": mined.data_digest, "weights_digest": mined.weights_digest}
        look = Look.model_validate({"by": "mine", "when": when, "file": file, **seen})
        return (look,) if look.split in SECRET else ()


def false_negatives(predictions: Predictions, sites: Sites, threshold: float) -> NDArray[np.int64]:
    """Rows of the scored positives below the threshold, lowest logit first, equal ones in the order of the file."""
    positive_N = sites.label_N[predictions.index_N] == 1
    missed_N = positive_N & (predictions.logit_N < threshold)
    order = np.argsort(predictions.logit_N[missed_N], kind="stable")
    worst_M: NDArray[np.int64] = predictions.index_N[missed_N][order]
    return worst_M


def mine(
    bench: Bench,
    *,
    run: str,
    split: Split = "train",
    top: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Mining:
    """Score a split and list what the weights miss at val's threshold.

    Args:
        run: id of the run that the weights belong to.
        split: where to look; training can replay points of `train` alone.
        top: at most so many, the worst; None for all.

    Raises:
        DataError: nothing is missed, or val has no positive to choose the threshold by.
        Diverged: a logit is NaN or infinite.
    """
    network, sites, tables = bench.network, bench.sites, bench.tables
    threshold = evaluate(network, sites, tables, "val", precision=bench.precision, samples=0).threshold
    if threshold is None:
        raise DataError("val has no positive, so there is no threshold to miss", where=str(sites.path))
    batches = evaluation_batches(sites, split)
    predictions = score(network, tables, batches, precision=bench.precision, progress=progress)
    missed_M = false_negatives(predictions, sites, threshold)
    if len(missed_M) == 0:
        raise DataError(
            f"these weights find every positive of {split} at val's threshold {threshold:.3f}", where=str(sites.path)
        )
    return Mining(
        mined=Mined(
            data_digest=sites.digest,
            split=split,
            indices=missed_M[:top].tolist(),
            run=run,
            weights_digest=bench.weights.weights_digest,
        ),
        threshold=threshold,
        positives=int(sites.label_N[predictions.index_N].sum()),
        missed=len(missed_M),
    )
