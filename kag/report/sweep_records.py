"""A sweep as its run records show it, where no server tells: its parameters are the keys on which its runs differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kag import names
from kag.changelog.entry import Entry
from kag.report.words import setting
from kag.spec.flat import DESCRIPTIVE, EXECUTION
from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.objective import objective
from kag.track.record import RunRecord, Scalar, Status

LISTED = 8
"""Distinct numbers up to which a parameter counts as listed, and not as a range."""

LOGARITHMIC = 50.0
"""Ratio of largest to smallest number of a range from which on it counts as logarithmic."""

_STATES = {
    Status.PLANNED: TrialState.FREE,
    Status.RUNNING: TrialState.LEASED,
    Status.FINISHED: TrialState.FINISHED,
    Status.EARLY_STOPPED: TrialState.FINISHED,
    Status.ABORTED: TrialState.FAILED,
    Status.KILLED: TrialState.STOPPED,
}


def sweep_of(records: Sequence[RunRecord]) -> tuple[Sweep, tuple[Trial, ...]] | None:
    """The search that these runs belong to, and its trials in the order of the records.

    A search over averaging alone is judged by val AUPRC of the averages, any other by that of the delivered weights.

    Returns:
        None if the runs do not differ in any setting.
    """
    skipped = DESCRIPTIVE + EXECUTION
    keys = dict.fromkeys(key for record in records for key in record.spec if key not in skipped)
    columns = {key: [record.spec.get(key) for record in records] for key in keys}
    varied = {key: values for key, values in columns.items() if len({(type(v), v) for v in values}) > 1}
    if not varied:
        return None
    metric = objective(varied)
    tree = {
        "method": "random",
        "metric": {"name": metric, "goal": "maximize"},
        "parameters": {key: _parameter(values) for key, values in varied.items()},
    }
    sweep = parse_sweep(tree, title="the runs of the sweep")
    value = _delivered if metric == names.OBJECTIVE else _averaged
    trials = (_trial(number, record, varied, value(record)) for number, record in enumerate(records))
    return sweep, tuple(trials)


def _parameter(values: Sequence[Scalar]) -> dict[str, Any]:
    distinct = sorted({(type(value).__name__, value) for value in values}, key=lambda pair: (pair[0], str(pair[1])))
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values) or len(distinct) <= LISTED:
        return {"values": sorted((value for _, value in distinct), key=_order)}
    low, high = min(numbers), max(numbers)
    logarithmic = low > 0 and high / low >= LOGARITHMIC
    return {"distribution": "log_uniform_values" if logarithmic else "uniform", "min": low, "max": high}


def _order(value: Scalar) -> tuple[bool, float, str]:
    """Numbers by size, then words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return False, float(value), ""
    return True, 0.0, setting(value)


def _delivered(record: RunRecord) -> float | None:
    return Entry(record).value("val")


def _averaged(record: RunRecord) -> float | None:
    found = (one for one in record.results if (one.split, one.metric, one.weights) == ("val", "auprc", "averaged"))
    return next((one.value for one in found), None)


def _trial(number: int, record: RunRecord, keys: Iterable[str], value: float | None) -> Trial:
    return Trial(
        id=number,
        params={key: record.spec.get(key) for key in keys},
        state=_STATES[record.status],
        value=value,
        run=record.id,
    )
