"""Runs of a project as the page holds them: read once, read again when they have changed.

A change is told by few columns of the row, among them the time of the last upload and the lengths of config and
summary, so that a poll of a thousand runs costs one short query.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, RowMapping, func, select

from kag.errors import RecordError
from kag.number import is_sound, sound_json
from kag.server.context import Patience
from kag.server.runs import WITH_SWEEP
from kag.server.store import all_rows
from kag.server.tables import runs
from kag.spec.flat import flatten
from kag.track.mirror import END_KEY, START_KEY, Mirrored, record_of, short_name
from kag.track.record import RunRecord, Scalar, Status
from kag.track.wandb_api import STATUS

CHUNK = 400
"""Runs that one query reads."""

_INTERNAL = ("_wandb", "wandb_version", START_KEY)
_WATCHED = (
    runs.c.id,
    runs.c.name,
    runs.c.heartbeat_at,
    runs.c.state,
    runs.c.should_stop,
    runs.c.display_name,
    runs.c.notes,
    runs.c.tags,
    runs.c.sweep_id,
    func.length(runs.c.config).label("config_length"),
    func.length(runs.c.summary).label("summary_length"),
)


def parsed(text: str) -> Any:
    """JSON as a client sent it, made sound: a server of before kept whatever came."""
    return from_json(text) if is_sound(text) else sound_json(text)[0]


@dataclass(frozen=True)
class Held:
    """A run, in the version that was read."""

    number: int
    """Row of the table of runs."""
    version: tuple[Any, ...]
    serial: int
    """Grows with every change within the project."""
    row: RowMapping
    state: str

    @property
    def name(self) -> str:
        """W&B's id of the run: its word in addresses."""
        return str(self.row["name"])

    @property
    def title(self) -> str:
        """What a person calls it."""
        return str(self.row["display_name"] or self.row["name"])

    @property
    def short(self) -> str:
        """What it is called beside its start: of a run id, the name alone."""
        return short_name(self.title)

    @property
    def live(self) -> bool:
        """Whether it may still log."""
        return self.state in ("running", "pending")

    @property
    def seconds(self) -> float:
        """From its start to its last sign of life."""
        return float(self.row["heartbeat_at"] - self.row["created_at"])

    @cached_property
    def tags(self) -> list[str]:
        """Tags."""
        return list(json.loads(self.row["tags"]))

    @cached_property
    def mirrored(self) -> Mirrored:
        """As `wandb.Api` would give it."""
        config = {
            key: value["value"] if isinstance(value, dict) and "value" in value else value
            for key, value in parsed(self.row["config"]).items()
        }
        return Mirrored(
            wandb_id=self.name,
            display_name=self.title,
            start=datetime.fromtimestamp(int(self.row["created_at"]), UTC),
            status=STATUS.get(self.state, Status.RUNNING),
            config={key: value for key, value in config.items() if key not in _INTERNAL[:2]},
            summary=parsed(self.row["summary"]),
            tags=tuple(self.tags),
            notes=self.row["notes"] or "",
            sweep=self.row["sweep_name"],
        )

    @cached_property
    def config(self) -> dict[str, Scalar]:
        """Settings by dotted key."""
        return flatten({key: value for key, value in self.mirrored.config.items() if key not in _INTERNAL})

    @cached_property
    def summary(self) -> dict[str, Scalar]:
        """Last values by dotted key, without what only the client needs."""
        summary = {key: value for key, value in self.mirrored.summary.items() if key != END_KEY and key[:1] != "_"}
        return flatten(summary)

    @property
    def record(self) -> RunRecord:
        """The record; where kag left one that cannot be read, what W&B knows of the run."""
        return self._read[0]

    @property
    def trouble(self) -> str | None:
        """Why kag's own record cannot be read, or None."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[RunRecord, str | None]:
        try:
            return record_of(self.mirrored), None
        except RecordError as error:
            bare = replace(self.mirrored, config=_without(self.mirrored.config), summary=self.summary)
            return record_of(bare), error.what


def _without(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != START_KEY}


class Project:
    """The runs of one project.

    Args:
        number: row of the table of projects.
        patience: when a silent run counts as crashed.
    """

    def __init__(self, number: int, patience: Patience) -> None:
        self.number = number
        self.patience = patience
        self.epoch = secrets.token_hex(4)
        """Another word after runs were deleted, and in another process: then serials say nothing."""
        self._held: dict[int, Held] = {}
        self._serial = 0
        self._lock = threading.Lock()

    def runs(self, connection: Connection, *, now: float, thorough: bool = False) -> tuple[Sequence[Held], str]:
        """Every run, oldest first, and the word of the epoch that their serials belong to.

        Args:
            connection: a transaction.
            now: seconds since the epoch.
            thorough: compare every letter; else a setting that was edited without a change of length is overlooked.
        """
        columns = (*_WATCHED, runs.c.config, runs.c.summary) if thorough else _WATCHED
        with self._lock:
            query = select(*columns).where(runs.c.project_id == self.number).order_by(runs.c.created_at, runs.c.id)
            found = {row["id"]: row for row in all_rows(connection, query)}
            if self._held.keys() - found.keys():
                self.epoch = secrets.token_hex(4)
            stale = [number for number, row in found.items() if self._is_stale(row, now, thorough)]
            self._serial += 1 if stale else 0
            chunks = (stale[begin : begin + CHUNK] for begin in range(0, len(stale), CHUNK))
            read = (all_rows(connection, WITH_SWEEP.where(runs.c.id.in_(chunk))) for chunk in chunks)
            for row in chain.from_iterable(read):
                version, state = _version(found[row["id"]]), self.patience.shown_state(row, now=now)
                self._held[row["id"]] = Held(row["id"], version, self._serial, row, state)
            self._held = {number: self._held[number] for number in found if number in self._held}
            return list(self._held.values()), self.epoch

    def _is_stale(self, row: RowMapping, now: float, thorough: bool) -> bool:
        held = self._held.get(row["id"])
        if held is None or held.version != _version(row) or held.state != self.patience.shown_state(row, now=now):
            return True
        return thorough and any(held.row[name] != row[name] for name in ("config", "summary"))


def _version(row: RowMapping) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in _WATCHED)
