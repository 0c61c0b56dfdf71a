"""Results of a run as a table: a row a metric, a column for every pair of weights and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kag.track.record import Result


@dataclass(frozen=True)
class Measured:
    """One column: numbers of the same weights on the same split."""

    first: Result
    """Any of them: all name the same weights."""
    numbers: dict[str, Result]
    """Metric -> result."""


def measured(results: Sequence[Result]) -> list[Measured]:
    """The columns, those of the delivered weights first."""
    found: dict[tuple[object, ...], list[Result]] = {}
    for result in sorted(results, key=lambda one: not one.delivered):
        key = (result.split, result.weights, result.weights_digest, result.data_digest, result.epoch, result.delivered)
        found.setdefault(key, []).append(result)
    return [Measured(group[0], {one.metric: one for one in group}) for group in found.values()]


def metrics(columns: Sequence[Measured]) -> list[str]:
    """The rows, in the order in which they were measured."""
    return list(dict.fromkeys(metric for column in columns for metric in column.numbers))
