"""The tables of a report: records in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kag import names
from kag.changelog.entry import Entry
from kag.report.sweep_records import Search
from kag.report.words import MISSING, duration, interval, metric, setting
from kag.spec.flat import differences, flat
from kag.spec.run import RunSpec
from kag.track.record import Result, RunRecord
from kag.view.changes import diff

_OWN = ("name", "change", "parent", "data.file")
"""Keys without a default, or told elsewhere."""

DIGEST = 12
"""Characters of a digest that a table shows."""


@dataclass(frozen=True)
class Cell:
    """A text; what stands under it is smaller, and `full` is what it is short for."""

    text: str
    under: str = ""
    full: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; columns after the first `words` ones hold numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 99


def results_table(results: Sequence[Result]) -> Table:
    """One column for each split and set of weights, with the digests of weights and data; a row a metric."""
    groups: dict[tuple[object, ...], dict[str, Result]] = {}
    for r in results:
        key = (r.split, r.weights, r.weights_digest, r.data_digest, r.epoch, r.selected_on, r.delivered)
        groups.setdefault(key, {})[r.metric] = r
    owners = [next(iter(found.values())) for found in groups.values()]
    head = {
        "weights": [Cell(r.weights or "unknown", under="delivered" if r.delivered else "") for r in owners],
        "digest of weights": [digest(r.weights_digest) for r in owners],
        "digest of data": [digest(r.data_digest) for r in owners],
        "epoch": [Cell(_value(r.epoch)) for r in owners],
        "chosen by": [Cell(r.selected_on or MISSING) for r in owners],
    }
    measured = [name for name in names.METRICS if any(r.metric == name for r in results)]
    body = {name: [_measurement(found.get(name)) for found in groups.values()] for name in measured}
    rows = ((Cell(name), *cells) for name, cells in {**head, **body}.items() if owners)
    return Table(("", *(r.split for r in owners)), tuple(rows), words=1)


def runs_table(records: Sequence[RunRecord], called: Mapping[str, str]) -> Table:
    """One row a run, with its delivered weights' AUPRC, or what a hand-kept log states.

    Args:
        called: run id -> what its curves are called.
    """
    columns = ("run", "status", "val AUPRC", "test AUPRC", "digest of weights", "epochs", "best epoch", "parent")
    return Table(columns, tuple(_run(record, called[record.id]) for record in records))


def trials_table(records: Sequence[RunRecord], search: Search) -> Table:
    """One row a trial of a sweep, the best first, what it set each parameter to, and what it is judged by."""
    parameters = list(search.sweep.leaves()) if search.sweep else []
    delivered = search.judged_by == "delivered"
    place = {run: number for number, run in enumerate(search.results)}
    rows = []
    for record in sorted(records, key=lambda record: place.get(record.id, len(place))):
        settings = (setting(record.config[key]) if key in record.config else MISSING for key in parameters)
        own = (record.id, record.status.value, *settings)
        found = [search.results.get(record.id), *([] if delivered else [Entry(record).auprc("val")])]
        rows.append((*map(Cell, own), *map(_measurement, found)))
    columns = ("val AUPRC",) if delivered else ("val AUPRC, averaged", "val AUPRC, delivered")
    return Table(("run", "status", *parameters, *columns), tuple(rows), words=2)


def parent_changes(parent: RunRecord, record: RunRecord) -> Table:
    """Settings that differ from the parent's."""
    rows = ((Cell(c.key), Cell(_value(c.before)), Cell(_value(c.after))) for c in diff(parent, record))
    return Table(("setting", "parent", "this run"), tuple(rows))


def default_changes(record: RunRecord) -> Table:
    """Settings that are not the defaults, for a run without a parent."""
    defaults = flat(RunSpec.model_validate({"name": "default", "data": {"file": "default"}}))
    found = differences(defaults, record.config)
    kept = {key: pair for key, pair in found.items() if key in record.config and key not in _OWN}
    rows = ((Cell(key), Cell(_value(before)), Cell(_value(after))) for key, (before, after) in kept.items())
    return Table(("setting", "default", "this run"), tuple(rows))


def pairs_table(values: Mapping[str, object], columns: tuple[str, str]) -> Table:
    """Names and values."""
    return Table(columns, tuple((Cell(key), Cell(_value(value))) for key, value in values.items()))


def preflight_table(record: RunRecord) -> Table:
    """What was said of the spec before the run began."""
    rows = ((Cell(one.severity.value), Cell(one.code), Cell(one.sentence)) for one in record.preflight)
    return Table(("severity", "rule", "what it says"), tuple(rows))


def checkpoints_table(record: RunRecord) -> Table:
    """Files of weights with their digests."""
    rows = (
        (Cell(name), Cell(kept.path), digest(kept.weights_digest), Cell(_value(kept.epoch)))
        for name, kept in record.checkpoints.items()
    )
    return Table(("name", "file", "digest of weights", "epoch"), tuple(rows))


def facts(record: RunRecord) -> dict[str, str]:
    """What stands at the top of a run's section; what is unknown is left out."""
    git = record.git
    known = {
        "start": f"{record.start:%Y-%m-%d %H:%M} UTC",
        "duration": duration(record.end - record.start) if record.end else None,
        "epochs": None if record.epochs_trained is None else str(record.epochs_trained),
        "best epoch": None if record.best_epoch is None else str(record.best_epoch),
        "parent": record.parent,
        "weights from": ", ".join(dict.fromkeys(source.run for source in record.sources)),
        "sweep": record.sweep,
        "tags": ", ".join(record.tags),
        "commit": git and git.commit[:DIGEST] + (" with uncommitted changes" if git.dirty else ""),
        "digest of the spec": record.found and record.found.spec_digest and record.found.spec_digest[:DIGEST],
        "digest of the data": record.data_digest and record.data_digest[:DIGEST],
        "resumed": f"{len(record.resumes)} times" if record.resumes else None,
    }
    return {name: value for name, value in known.items() if value}


def digest(value: str | None) -> Cell:
    """A digest, cut short."""
    return Cell(MISSING) if value is None else Cell(value[:DIGEST], full=value)


def _measurement(result: Result | None) -> Cell:
    if result is None:
        return Cell(MISSING)
    bounds = interval(result)
    return Cell(metric(result.value), under="" if bounds == MISSING else bounds)


def _run(record: RunRecord, called: str) -> tuple[Cell, ...]:
    val, test = (Entry(record).auprc(split) for split in ("val", "test"))
    some = val or test
    return (
        Cell(record.id, under="" if called in (record.id, record.name) else called),
        Cell(record.status.value),
        _measurement(val),
        _measurement(test),
        digest(some.weights_digest if some else None),
        Cell(_value(record.epochs_trained)),
        Cell(_value(record.best_epoch)),
        Cell(record.parent or MISSING),
    )


def _value(value: object) -> str:
    if value is None:
        return MISSING
    return setting(value) if isinstance(value, (str, int, float)) else str(value)
