"""An evaluation as rows of a run record."""

from __future__ import annotations

from kag.names import Kind
from kag.stats.measure import Evaluation
from kag.track.result import Result


def results(
    evaluation: Evaluation,
    *,
    weights_digest: str,
    data_digest: str,
    epoch: int | None,
    weights: Kind | None = None,
    selected_on: str | None = None,
    delivered: bool = False,
    in_32_bits: float | None = None,
) -> tuple[Result, ...]:
    """The evaluation as rows of a run record; undefined metrics have no row.

    Args:
        in_32_bits: AUPRC of the same weights in 32 bits, where the evaluation has another number format.
    """
    return tuple(
        Result(
            split=evaluation.split,
            metric=name,
            value=value,
            in_32_bits=in_32_bits if name == "auprc" else None,
            ci_low=evaluation.intervals[name].low if name in evaluation.intervals else None,
            ci_high=evaluation.intervals[name].high if name in evaluation.intervals else None,
            weights=weights,
            weights_digest=weights_digest,
            data_digest=data_digest,
            epoch=epoch,
            selected_on=selected_on,
            delivered=delivered,
        )
        for name, value in evaluation.values.items()
        if value is not None
    )
