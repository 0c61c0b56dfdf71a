"""What the change log knows of the runs of a project, from the database: the same as `wandb:entity/project` gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection

from kag import names
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry
from kag.changelog.logged import Logged
from kag.changelog.selections import SelectionOf, not_known
from kag.changelog.siblings import Siblings
from kag.compare.paired import DrawnOf, not_asked
from kag.errors import UserError
from kag.server.history import page, scanned
from kag.server.page.held import Held
from kag.track.mirror import in_order
from kag.track.record import RunRecord
from kag.track.rows import history_of
from kag.view.metrics import Metric, chosen
from kag.view.words import NamedRuns

MOST_ROWS = 100_000
"""Rows of a history that are drawn."""

MOST_STEPS = 5_000
"""Rows of a longer history of another program that are looked at, beside those that hold an extreme."""


def history(connection: Connection, run: Held) -> list[dict[str, Any]]:
    """The logged rows of a run in the order of steps."""
    return [from_json(line) for line in page(connection, run.number, low=None, high=None, limit=MOST_ROWS)]


def epochs_of(run: Held, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One row an epoch of what a run of kag's own logged; see `history_of`."""
    return history_of(rows, by_kag=run.mirrored.by_kag)


@dataclass(frozen=True)
class Ledger:
    """Runs with their records, in the order of start time; no history was read."""

    runs: Mapping[str, Held]
    """Run id -> run."""
    records: Mapping[str, RunRecord]
    """Run id -> record."""

    @classmethod
    def of(cls, held: Sequence[Held]) -> Ledger:
        """The ledger of a project."""
        by_word = {run.name: run for run in held}
        pairs = in_order((run.record, run.mirrored) for run in held)
        runs = {identity: by_word[mirrored.wandb_id] for identity, (_, mirrored) in pairs.items()}
        return cls(runs, {identity: record for identity, (record, _) in pairs.items()})

    def record(self, run: Held) -> RunRecord:
        """The record of one of the runs."""
        return self.records[self._ids[run.name]]

    def words(self) -> dict[str, str]:
        """Run id -> W&B's id."""
        return {identity: run.name for identity, run in self.runs.items()}

    def parent(self, record: RunRecord) -> RunRecord | None:
        """The run that a run is compared with, if the project has it; see `NamedRuns.parent`."""
        return NamedRuns(self.records.values()).parent(record)

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {run.name: identity for identity, run in self.runs.items()}


class Counted(NamedTuple):
    """The metrics that count in a project."""

    metrics: Sequence[Metric]
    trouble: str | None = None
    """Why those that somebody asked for do not: then kag chooses."""


def counted(records: Iterable[RunRecord], asked: str | None) -> Counted:
    """The metrics that count.

    Args:
        records: every run of the project.
        asked: what a person wrote, a line a metric; see `chosen`.
    """
    known = list(records)
    try:
        return Counted(chosen(known, (asked or "").splitlines()))
    except UserError as error:
        return Counted(chosen(known), str(error))


MadeOf = tuple[int, tuple[Metric, ...]]
"""Number of a run's last change, and of another program's run the metrics that count."""


@dataclass
class Diagnoses:
    """What the histories of a project come to: worked out once for every version of a run and of its record."""

    entries: dict[int, tuple[MadeOf, Entry]] = field(default_factory=dict)
    """Row of the table of runs -> what it came to, and of what state of the run."""

    def siblings(
        self,
        connection: Connection,
        ledger: Ledger,
        metrics: Sequence[Metric],
        drawn: DrawnOf = not_asked,
        selected: SelectionOf = not_known,
    ) -> Siblings:
        """The entries of the change log.

        Args:
            connection: to the database.
            ledger: the runs of the project.
            metrics: those that count.
            drawn: what the runs scored.
            selected: what the best trials of sweeps are worth.
        """
        found = {
            run.number: self._entry(connection, ledger.records[identity], run, metrics)
            for identity, run in ledger.runs.items()
        }
        self.entries = {
            run.number: (_made_of(run, ledger.records[identity], metrics), found[run.number])
            for identity, run in ledger.runs.items()
        }
        return Siblings(tuple(found.values()), metrics=metrics, drawn=drawn, selected=selected)

    def _entry(self, connection: Connection, record: RunRecord, run: Held, metrics: Sequence[Metric]) -> Entry:
        made_of, entry = self.entries.get(run.number, (None, None))
        # A run that falls silent or whose parent goes has another record without a change of its own.
        if entry is not None and made_of == _made_of(run, record, metrics) and entry.record == record:
            return entry
        return entry_of(Logged(record, self._rows(connection, run), metrics), run.mirrored.notes)

    def _rows(self, connection: Connection, run: Held) -> list[dict[str, float]]:
        """The history; one of kag's own runs that has no epoch says nothing to the rules and is not read."""
        by_kag = run.mirrored.by_kag
        if by_kag and names.EPOCH not in json.loads(run.row["history_keys"]).get("keys", {}):
            return []
        lines = scanned(connection, run.number)
        return history_of(map(from_json, lines), by_kag=by_kag, most=MOST_STEPS)


def _made_of(run: Held, record: RunRecord, metrics: Sequence[Metric]) -> MadeOf:
    return run.changed, tuple(metrics) if record.is_foreign else ()
