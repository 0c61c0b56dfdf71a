"""What a report is about, read from a source of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kag.changelog.diagnose import diagnose, values_of
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.one_of_seeds import OneOfSeeds, one_of_seeds
from kag.changelog.siblings import Siblings
from kag.finding import Finding
from kag.report.series import Rows
from kag.track.record import RunRecord
from kag.track.source import RunSource
from kag.view.choice import Choice, require_known
from kag.view.metrics import Metric, chosen

Progress = Callable[[Sequence[str]], Iterable[str]]
"""Hands on run ids and shows how far it is."""


@dataclass(frozen=True)
class ReportedRun:
    """A run with all that a report says of it."""

    record: RunRecord
    rows: Rows
    notes: str = ""
    findings: tuple[Finding, ...] = ()
    parent: RunRecord | None = None
    """As it stands; what is said of both goes by how it stood when this run began."""
    against: str = ""
    """What the parent is, where the run does not name it itself."""
    among: OneOfSeeds | None = None
    """What its replicates come to; None where it has none."""
    values: Mapping[Metric, float | None] = field(default_factory=dict)
    """Of another program: what stands for the run, by the metrics that count."""


def read_runs(
    source: RunSource, siblings: Siblings, ids: Sequence[str], progress: Progress = lambda ids: ids
) -> tuple[ReportedRun, ...]:
    """Runs with their histories and what the rules find in them.

    Raises:
        RecordError: a history cannot be read.
    """
    return tuple(_reported(source, siblings, siblings.by_id[run]) for run in progress(ids))


def of_sweep(siblings: Siblings, sweep: str) -> list[RunRecord]:
    """The runs of a sweep, in the order of their start, but archived ones.

    Raises:
        UserError: no run is of this sweep; the text names the nearest one.
    """
    records = [entry.record for entry in siblings.entries if not entry.record.archived]
    require_known(Choice(sweep=sweep), records)
    return [record for record in records if record.sweep == sweep]


def values_of_trials(source: RunSource, trials: Sequence[RunRecord]) -> dict[str, dict[Metric, float | None]]:
    """Run id -> what stands for a trial of another program, by the metrics that count among these trials.

    Raises:
        RecordError: a history cannot be read.
    """
    metrics = chosen(trials)
    foreign = (record for record in trials if record.is_foreign)
    return {one.id: values_of(Logged(one, source.history(one.id), metrics)) for one in foreign}


def _reported(source: RunSource, siblings: Siblings, entry: Entry) -> ReportedRun:
    parent = siblings.own_parent(entry)
    rows = source.history(entry.id)
    return ReportedRun(
        record=entry.record,
        rows=rows,
        notes=entry.notes,
        findings=tuple(diagnose(entry, siblings)),
        parent=parent.record if parent else None,
        against=siblings.against(entry),
        among=one_of_seeds(entry, siblings),
        values=values_of(Logged(entry.record, rows, siblings.metrics)),
    )
