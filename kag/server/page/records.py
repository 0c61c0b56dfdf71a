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
from kag.server.history import page
from kag.server.page.held import Held
from kag.track.mirror import epochs, in_order
from kag.track.record import RunRecord
from kag.view.words import NamedRuns

MOST_ROWS = 100_000
"""Rows of a history that are read."""


def history(connection: Connection, run: Held) -> list[dict[str, Any]]:
    """The logged rows of a run in the order of steps."""
    return [from_json(line) for line in page(connection, run.number, low=None, high=None, limit=MOST_ROWS)]


def epochs_of(run: Held, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One row an epoch of what a run logged."""
    return epochs(rows, by_kag=run.mirrored.by_kag)


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
    """What the histories of a project come to: worked out once for every version of a run."""

    entries: dict[int, tuple[tuple[object, ...], Entry]] = field(default_factory=dict)

    def siblings(self, connection: Connection, ledger: Ledger) -> Siblings:
        """The entries of the change log.

        A history without epochs says nothing to the rules; it is not read.
        """
        found = {
            run.number: self._entry(connection, ledger.records[identity], run) for identity, run in ledger.runs.items()
        }
        self.entries = {
            run.number: (_version(ledger.records[identity], run), found[run.number])
            for identity, run in ledger.runs.items()
        }
        return Siblings(tuple(found.values()))

    def _entry(self, connection: Connection, record: RunRecord, run: Held) -> Entry:
        version, entry = self.entries.get(run.number, ((), None))
        if entry is not None and version == _version(record, run):
            return entry
        logs_epochs = names.EPOCH in json.loads(run.row["history_keys"]).get("keys", {})
        rows = epochs_of(run, history(connection, run)) if logs_epochs else []
        return entry_of(Logged(record, rows), run.mirrored.notes)


def _version(record: RunRecord, run: Held) -> tuple[object, ...]:
    """What an entry is made of; a run that is silent for too long ends without a change of its row."""
    return record.id, run.changed, run.state
