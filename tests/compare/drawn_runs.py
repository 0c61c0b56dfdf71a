"""Draws of runs as a source would read them, with a known difference and standard error."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from kag.compare.paired import DrawnOf, Unpaired
from kag.names import Part
from kag.stats.bootstrap import Resampled
from kag.stats.scores import Drawn
from kag.track.record import RunRecord

UNITS = 36
EXAMPLES = "e" * 64


def resampled(value: float, error: float = 0.0) -> Resampled:
    """A number whose difference from one without an error has this standard error."""
    side_U = np.where(np.arange(UNITS) % 2, 1.0, -1.0)
    draw_S = value + error * np.random.default_rng(0).normal(size=100)
    return Resampled(value, draw_S, value + error / math.sqrt(UNITS - 1) * side_U)


def drawn_as(
    known: Mapping[str, Mapping[Part, float]], *, error: float = 0.0, examples: Mapping[str, str] | None = None
) -> DrawnOf:
    """Draws of the AUPRC of runs; only the last one has an error, so that each difference from it has it.

    Args:
        known: run id -> split -> AUPRC.
        error: standard error of the difference from the last one.
        examples: run id -> what stands for its examples, where they are others.
    """
    last = list(known)[-1]

    def drawn(record: RunRecord, split: Part) -> Drawn | Unpaired:
        value = known.get(record.id, {}).get(split)
        if value is None:
            return Unpaired(f"{record.id} kept no scores of {split}")
        digest = next((one.weights_digest for one in record.results if one.split == split), None)
        where = (examples or {}).get(record.id, EXAMPLES)
        return Drawn(digest, where, {"auprc": resampled(value, error if record.id == last else 0.0)})

    return drawn
