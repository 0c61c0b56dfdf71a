"""A sweep as its run records show it, where no server tells: its parameters are the keys on which its runs differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kag import names
from kag.changelog.entry import Entry
from kag.report.words import setting
from kag.spec.flat import DESCRIPTIVE
from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.check import objective
from kag.track.record import Result, RunRecord, Scalar, Status

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


@dataclass(frozen=True)
class Search:
    """A sweep and what it is judged by."""

    sweep: Sweep | None
    """None if its runs do not differ in any setting."""
    trials: tuple[Trial, ...]
    judged_by: str
    """The weights whose val AUPRC counts: `delivered` or `averaged`."""
    results: Mapping[str, Result]
    """Run id -> that val AUPRC, for runs that have one; the best first."""


def search_of(records: Sequence[RunRecord]) -> Search:
    """The search that these runs belong to, with its trials in the order of the records.

    One over averaging alone is judged by the averages, if any run has one, every other by what the runs deliver.
    """
    keys = dict.fromkeys(key for record in records for key in record.config if key not in DESCRIPTIVE)
    columns = {key: [record.config.get(key) for record in records] for key in keys}
    varied = {key: values for key, values in columns.items() if len({(type(v), v) for v in values}) > 1}
    averaging = objective(varied) != names.OBJECTIVE
    averages = _best_first(records, lambda record: Entry(record).average) if averaging else {}
    results = averages or _best_first(records, lambda record: Entry(record).auprc("val"))
    metric = names.averaged(names.OBJECTIVE) if averages else names.OBJECTIVE
    return Search(
        sweep=_sweep(metric, varied) if varied else None,
        trials=tuple(_trial(number, record, varied, results) for number, record in enumerate(records)),
        judged_by="averaged" if averages else "delivered",
        results=results,
    )


def _best_first(records: Sequence[RunRecord], judge: Callable[[RunRecord], Result | None]) -> dict[str, Result]:
    found = [(record.id, result) for record in records if (result := judge(record)) is not None]
    return dict(sorted(found, key=lambda pair: -pair[1].value))


def _sweep(metric: str, varied: Mapping[str, Sequence[Scalar]]) -> Sweep:
    tree = {
        "method": "random",
        "metric": {"name": metric, "goal": "maximize"},
        "parameters": {key: _parameter(values) for key, values in varied.items()},
    }
    return parse_sweep(tree, title="the runs of the sweep")


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


def _trial(number: int, record: RunRecord, keys: Iterable[str], results: Mapping[str, Result]) -> Trial:
    return Trial(
        id=number,
        params={key: record.config.get(key) for key in keys},
        state=_STATES[record.status],
        value=results[record.id].value if record.id in results else None,
        run=record.id,
    )
