"""What the change log knows of the runs of a project, from the database: the same as `wandb:entity/project` gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection

from kag import names
from kag.changelog.diagnose import entry_of
from kag.changelog.entry import Entry, Siblings
from kag.changelog.logged import Logged
from kag.server.history import page, scanned
from kag.server.page.held import Held
from kag.track.mirror import in_order
from kag.track.record import RunRecord
from kag.track.rows import history_of
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
        """The run that a run is compared with, if the project has it."""
        return NamedRuns(self.records.values()).meant(record.parent, before=record) if record.parent else None

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {run.name: identity for identity, run in self.runs.items()}


@dataclass
class Diagnoses:
    """What the histories of a project come to: worked out once for every version of a run and of its record."""

    entries: dict[int, tuple[int, Entry]] = field(default_factory=dict)
    """Row of the table of runs -> number of the run's last change, and what it came to."""

    def siblings(self, connection: Connection, ledger: Ledger) -> Siblings:
        """The entries of the change log."""
        found = {
            run.number: self._entry(connection, ledger.records[identity], run) for identity, run in ledger.runs.items()
        }
        self.entries = {run.number: (run.changed, found[run.number]) for run in ledger.runs.values()}
        return Siblings(tuple(found.values()))

    def _entry(self, connection: Connection, record: RunRecord, run: Held) -> Entry:
        # A run that falls silent or whose parent goes has another record without a change of its own.
        changed, entry = self.entries.get(run.number, (-1, None))
        if entry is not None and changed == run.changed and entry.record == record:
            return entry
        return entry_of(Logged(record, self._rows(connection, run)), run.mirrored.notes)

    def _rows(self, connection: Connection, run: Held) -> list[dict[str, float]]:
        """The history; one of kag's own runs that has no epoch says nothing to the rules and is not read."""
        by_kag = run.mirrored.by_kag
        if by_kag and names.EPOCH not in json.loads(run.row["history_keys"]).get("keys", {}):
            return []
        lines = scanned(connection, run.number)
        return history_of(map(from_json, lines), by_kag=by_kag, most=MOST_STEPS)
