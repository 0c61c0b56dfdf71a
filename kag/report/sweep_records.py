"""A sweep as its run records show it, where no server tells: its parameters are the keys on which its runs differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kag import names
from kag.changelog.entry import Entry
from kag.spec.flat import DESCRIPTIVE
from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.check import objective
from kag.text import MISSING, column, setting
from kag.track.record import RunRecord, Scalar, Status
from kag.track.result import Result
from kag.view.changes import varied
from kag.view.results import headline
from kag.view.tables import Cell, Table, result_cell

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
    keys = {k: v for k, v in varied([one.config for one in records]).items() if k not in DESCRIPTIVE}
    averaging = objective(keys) != names.OBJECTIVE
    averages = _best_first(records, lambda record: Entry(record).average) if averaging else {}
    results = averages or _best_first(records, lambda record: headline(record, "val"))
    metric = names.averaged(names.OBJECTIVE) if averages else names.OBJECTIVE
    return Search(
        sweep=_sweep(metric, keys) if keys else None,
        trials=tuple(_trial(number, record, keys, results) for number, record in enumerate(records)),
        judged_by="averaged" if averages else "delivered",
        results=results,
    )


def trials_table(records: Sequence[RunRecord], search: Search) -> Table:
    """One row a trial of a sweep, the best first, what it set each parameter to, and what it is judged by."""
    place = {run: number for number, run in enumerate(search.results)}
    ordered = sorted(records, key=lambda record: place.get(record.id, len(place)))
    parameters = list(search.sweep.leaves()) if search.sweep else []
    columns = [column([record.config.get(key, MISSING) for record in ordered]) for key in parameters]
    delivered = search.judged_by == "delivered"
    rows = []
    for record, *settings in zip(ordered, *columns, strict=True):
        found = [search.results.get(record.id), *([] if delivered else [headline(record, "val")])]
        rows.append((*map(Cell, (record.id, record.status.value, *settings)), *map(result_cell, found)))
    judged = ("val AUPRC",) if delivered else ("val AUPRC, averaged", "val AUPRC, delivered")
    return Table(("run", "status", *parameters, *judged), tuple(rows), words=2)


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
