"""A sweep as its run records show it, where no server tells: its parameters are the keys on which its runs differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kag import names
from kag.changelog.entry import Entry
from kag.compare.replicates import means_over_seeds
from kag.spec.flat import DESCRIPTIVE
from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.check import objective
from kag.text import MISSING, column, setting
from kag.track.record import RunRecord, Scalar, Status
from kag.track.result import Result
from kag.view.changes import varied
from kag.view.metrics import Metric
from kag.view.results import headline
from kag.view.tables import Cell, Table, result_cell

Values = Mapping[str, Mapping[Metric, float | None]]

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
    """The weights whose val AUPRC counts, `delivered` or `averaged`; empty of another program."""
    values: Mapping[str, float]
    """Run id -> what it is judged by, for runs that have it; the best first, of a sweep over seeds by their means."""
    results: Mapping[str, Result]
    """The same of kag's own runs, with intervals."""
    metric: Metric | None = None
    """Of another program: the metric of its sweep, else the first that counts and has a goal."""

    @property
    def summary(self) -> str:
        """What the trials are judged by, in words."""
        if self.metric is not None:
            return f"judged by {self.metric.name}, {self.metric.of} ({self.metric.why})"
        if self.judged_by:
            return f"judged by val AUPRC of the {self.judged_by} weights"
        return "judged by nothing: of no metric is it known which value is better"


def search_of(records: Sequence[RunRecord], values: Values | None = None) -> Search:
    """The search that these runs belong to, with its trials in the order of the records.

    One over averaging alone is judged by the averages, if any run has one, every other by what the runs deliver.
    Another program's is judged by the metric of its sweep.

    Args:
        records: its runs.
        values: run id -> what stands for a run of another program, by the metrics that count among these runs.
    """
    keys = {k: v for k, v in varied([one.config for one in records]).items() if k not in DESCRIPTIVE}
    if records and all(record.is_foreign for record in records):
        return _foreign_search(records, keys, values or {})
    averaging = objective(keys) != names.OBJECTIVE
    averages = _best_first(records, lambda record: Entry(record).average) if averaging else {}
    results = averages or _best_first(records, lambda record: headline(record, "val"))
    metric = names.averaged(names.OBJECTIVE) if averages else names.OBJECTIVE
    judged = {run: result.value for run, result in results.items()}
    return Search(
        sweep=_sweep(metric, "maximize", keys) if keys else None,
        trials=tuple(_trial(number, record, keys, judged) for number, record in enumerate(records)),
        judged_by="averaged" if averages else "delivered",
        values=judged,
        results=results,
    )


def trials_table(records: Sequence[RunRecord], search: Search) -> Table:
    """One row a trial of a sweep, the best first, what it set each parameter to, and what it is judged by."""
    place = {run: number for number, run in enumerate(search.values)}
    ordered = sorted(records, key=lambda record: place.get(record.id, len(place)))
    parameters = list(search.sweep.leaves()) if search.sweep else []
    columns = [column([record.config.get(key, MISSING) for record in ordered]) for key in parameters]
    judged = {record.id: _judged(record, search) for record in ordered}
    rows = [
        (*map(Cell, (record.id, record.status.value, *settings)), *judged[record.id].values())
        for record, *settings in zip(ordered, *columns, strict=True)
    ]
    headings = next(iter(judged.values()), {})
    return Table(("run", "status", *parameters, *headings), tuple(rows), words=2)


def _judged(record: RunRecord, search: Search) -> dict[str, Cell]:
    """Heading -> cell of what a trial is judged by, and of what it delivers where that is another number."""
    if search.metric is not None:
        return {search.metric.label: Cell(search.metric.text(search.values.get(record.id)))}
    found = result_cell(search.results.get(record.id))
    if search.judged_by != "averaged":
        return {"val AUPRC": found} if search.judged_by else {}
    return {"val AUPRC, averaged": found, "val AUPRC, delivered": result_cell(headline(record, "val"))}


def _best_first(records: Sequence[RunRecord], judge: Callable[[RunRecord], Result | None]) -> dict[str, Result]:
    found = {record.id: result for record in records if (result := judge(record)) is not None}
    means = means_over_seeds(
        [record for record in records if record.id in found], lambda record: found[record.id].value
    )

    def rank(run: str) -> tuple[float, float]:
        own = found[run].value
        return means.get(run, own), own

    return {run: found[run] for run in sorted(found, key=rank, reverse=True)}


def _foreign_search(records: Sequence[RunRecord], keys: Mapping[str, Sequence[Scalar]], values: Values) -> Search:
    known = dict.fromkeys(metric for found in values.values() for metric in found)
    metric = next((one for one in known if one.goal is not None), None)
    measured = [(run, number) for run, found in values.items() if metric and (number := found.get(metric)) is not None]
    smallest = metric is not None and metric.goal == "min"
    best_first = dict(sorted(measured, key=lambda pair: pair[1] if smallest else -pair[1]))
    return Search(
        sweep=_sweep(metric.name if metric else None, "minimize" if smallest else "maximize", keys) if keys else None,
        trials=tuple(_trial(number, record, keys, best_first) for number, record in enumerate(records)),
        judged_by="",
        values=best_first,
        results={},
        metric=metric,
    )


def _sweep(metric: str | None, goal: str, varied: Mapping[str, Sequence[Scalar]]) -> Sweep:
    tree = {
        "method": "random",
        **({"metric": {"name": metric, "goal": goal}} if metric else {}),
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


def _trial(number: int, record: RunRecord, keys: Iterable[str], values: Mapping[str, float]) -> Trial:
    return Trial(
        id=number,
        params={key: record.config.get(key) for key in keys},
        state=_STATES[record.status],
        value=values.get(record.id),
        run=record.id,
    )
