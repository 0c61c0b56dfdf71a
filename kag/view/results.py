"""What was measured of a run's weights: by weights, of the weights that it hands on, and as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from kag import names
from kag.text import DIGITS, EXACT, MISSING, digits_apart, fact, number, three_decimals
from kag.track.record import RunRecord, Scalar
from kag.track.result import Result

SEALED = "sealed"

_SHARES = frozenset(names.METRICS) - {"threshold", "bce"}
"""Metrics between 0 and 1."""


class Measured(NamedTuple):
    """Numbers of the same weights on the same data."""

    first: Result
    """Any of them: all name the same weights."""
    numbers: dict[str, Result]
    """Metric -> result."""


def by_weights(results: Sequence[Result]) -> list[Measured]:
    """Results by split, weights and data, those of the delivered weights first."""
    found: dict[tuple[object, ...], list[Result]] = {}
    for r in sorted(results, key=lambda one: not one.delivered):
        key = (r.split, r.weights, r.weights_digest, r.data_digest, r.epoch, r.selected_on, r.delivered)
        found.setdefault(key, []).append(r)
    return [Measured(group[0], {one.metric: one for one in group}) for group in found.values()]


def by_file(record: RunRecord) -> dict[str, list[Result]]:
    """Name of each external file -> what weights of the run score on it; files of one name differ by their digests."""
    found: dict[str, list[Result]] = {}
    for evaluation in record.evaluations:
        found.setdefault(evaluation.file, []).extend(evaluation.results)
    return found


def metrics_of(groups: Sequence[Measured]) -> list[str]:
    """Every metric of the groups, in the order of `kag.names.METRICS`, others last."""
    found = dict.fromkeys(metric for group in groups for metric in group.numbers)
    return [*(name for name in names.METRICS if name in found), *(one for one in found if one not in names.METRICS)]


def delivered(record: RunRecord) -> dict[str, Result]:
    """`val/auprc` -> result of the delivered weights; of whatever weights, where nobody knows which were delivered."""
    return {names.evaluation(result.split, result.metric): result for result in _handed_on(record)}


def side_by_side(records: Sequence[RunRecord]) -> dict[str, list[Result | None]]:
    """`val/auprc` -> result of each run's delivered weights, for everything that any of them has."""
    found = [delivered(record) for record in records]
    known = {key for one in found for key in one}
    ordered = [names.evaluation(split, metric) for split in names.SPLITS for metric in names.METRICS]
    keys = [*(key for key in ordered if key in known), *sorted(known - set(ordered))]
    return {key: [one.get(key) for one in found] for key in keys}


def headline(record: RunRecord, split: str, metric: str = "auprc") -> Result | None:
    """The AUPRC, or another metric, that a run is judged by on a split; None if not measured or no number."""
    return finite(delivered(record).get(names.evaluation(split, metric)))


def absent(record: RunRecord, split: str) -> str:
    """What stands in the place of a number that a run does not have: `sealed`, where it leaves test alone, or `-`."""
    return SEALED if split == "test" and record.sealed else MISSING


def seal(record: RunRecord) -> str:
    """`sealed`, where a run has left test alone and nobody has looked at it since; else empty."""
    return SEALED if record.sealed and headline(record, "test") is None else ""


def finite(result: Result | None) -> Result | None:
    """A result whose value is a number; else None."""
    return result if result is not None and math.isfinite(result.value) else None


def measured(key: str, value: Scalar) -> str:
    """A measured number: three decimals for a metric between 0 and 1, three significant digits for any other.

    Args:
        key: what was measured: `val/auprc`, `auprc`, `lr`.
        value: the number; another program may have logged a word. None if there is none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _is_share(key):
        return three_decimals(value)
    return fact(value)


def measured_column(key: str, values: Sequence[float | None]) -> tuple[str, ...]:
    """The same of several runs, side by side: where three digits do not tell them apart, all have more."""
    if _is_share(key):
        return tuple(map(three_decimals, values))
    digits = digits_apart(values, DIGITS) or EXACT
    return tuple(number(value, digits) for value in values)


def moved(key: str, change: float) -> str:
    """By how much a measured number has changed: `+0.020`."""
    return f"{'-' if change < 0 else '+'}{measured(key, abs(change))}"


def in_32_bits(results: Sequence[Result]) -> list[str]:
    """A sentence for each split on which delivered weights, or whatever was measured, have another number format."""
    known = [one for one in results if one.in_32_bits is not None]
    chosen = [one for one in known if one.delivered]
    return [
        f"{one.split} AUPRC of {'the delivered' if one.delivered else 'these'} weights in 32 bits: "
        f"{measured(one.metric, one.in_32_bits)}, in the precision of training {measured(one.metric, one.value)}"
        for one in chosen or known
    ]


def interval(result: Result | None) -> str:
    """The 95 % interval, `[0.278, 0.318]`, or `-`."""
    if result is None or result.ci_low is None or result.ci_high is None:
        return MISSING
    return f"[{measured(result.metric, result.ci_low)}, {measured(result.metric, result.ci_high)}]"


def _handed_on(record: RunRecord) -> Sequence[Result]:
    """Results of the delivered weights; all of them, where nobody knows which were delivered."""
    return [result for result in record.results if result.delivered] or record.results


def _is_share(key: str) -> bool:
    return key.rpartition("/")[2] in _SHARES
