"""Runs of a project as the page holds them: read once, and again when they have changed.

What has changed says its number (`kag.server.changes`): a question about a thousand runs of which none has costs one
row of the database.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select

from kag.errors import RecordError
from kag.number import number, read_json
from kag.server.context import Patience
from kag.server.page.beside import Beside, ProjectBeside
from kag.server.runs import WITH_SWEEP
from kag.server.store import all_rows
from kag.server.tables import projects, runs
from kag.spec.flat import flatten
from kag.track.folder import RUN_ID, short_name
from kag.track.mirror import record_of
from kag.track.mirrored import END_KEY, INTERNAL, START_KEY, Mirrored
from kag.track.record import Declared, RunRecord, Scalar, Status
from kag.track.wandb_api import STATUS
from kag.view.trials import name_of_run

CLIENT = "_wandb"
"""Key of the last values under which a client says how long it ran."""


def is_setting(key: str) -> bool:
    """Whether a key of what a client sent as settings is one."""
    return key not in INTERNAL


def is_result(key: str) -> bool:
    """Whether a key of the last values is one that the program logged."""
    return key != END_KEY and key[:1] != "_"


def unwrapped(value: Any) -> Any:
    """A setting as it was before the client put its object around it."""
    return value["value"] if isinstance(value, dict) and "value" in value else value


def lasted(row: RowMapping, own: Any) -> float:
    """How long a run was under way, from its start to its last sign of life, in seconds.

    A client that ended in order says how long it ran, the time between its attempts left out.

    Args:
        row: the run.
        own: what its client says of itself among the last values.
    """
    span = float(row["heartbeat_at"] - row["created_at"])
    ran = number(own.get("runtime")) if isinstance(own, dict) and row["exit_code"] is not None else None
    return span if ran is None else min(span, max(ran, 0.0))


@dataclass(frozen=True)
class Held:
    """A run as it is since its last change."""

    row: RowMapping
    state: str
    beside: Beside
    objective: Declared | None
    """What its sweep is after."""
    trial: str | None = None
    """What its sweep calls it, if it is a trial of one: `demo-4`."""

    @property
    def number(self) -> int:
        """Row of the table of runs."""
        return int(self.row["id"])

    @property
    def changed(self) -> int:
        """Number of its last change, among those of the project."""
        return int(self.row["changed"])

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
        """What it is called beside its start: of a run id, the name alone; of a trial, its own name first."""
        if self.trial is None:
            return short_name(self.title)
        return f"{self.trial} ({self.title})" if self.is_named else self.trial

    @property
    def is_named(self) -> bool:
        """Whether somebody has named it: its name is neither W&B's id of it nor kag's."""
        return self.title != self.name and RUN_ID.fullmatch(self.title) is None

    @property
    def live(self) -> bool:
        """Whether it may still log."""
        return self.state in ("running", "pending")

    @cached_property
    def seconds(self) -> float:
        """How long it was under way; see `lasted`."""
        return lasted(self.row, self.last.get(CLIENT))

    @property
    def is_read(self) -> bool:
        """Whether its settings and last values have been asked for before."""
        return vars(self).keys() >= {"sent", "last"}

    @cached_property
    def tags(self) -> list[str]:
        """Tags."""
        return list(json.loads(self.row["tags"]))

    @cached_property
    def sent(self) -> Mapping[str, Any]:
        """Its settings as the client nested them, what only the client needs among them."""
        return {key: unwrapped(value) for key, value in read_json(self.row["config"]).items()}

    @cached_property
    def last(self) -> Any:
        """Its last values in the same way."""
        return read_json(self.row["summary"])

    @cached_property
    def mirrored(self) -> Mirrored:
        """As `wandb.Api` would give it."""
        return Mirrored(
            wandb_id=self.name,
            display_name=self.title,
            start=datetime.fromtimestamp(int(self.row["created_at"]), UTC),
            status=STATUS.get(self.state, Status.RUNNING),
            config=self.sent,
            summary=self.last,
            tags=tuple(self.tags),
            notes=self.row["notes"] or "",
            sweep=self.row["sweep_name"],
            heard=datetime.fromtimestamp(int(self.row["heartbeat_at"]), UTC),
            exit_code=self.row["exit_code"],
            group=self.row["group_name"] or None,
            job_type=self.row["job_type"] or None,
            commit=self.row["commit"] or None,
            has_patch=self.beside.has_patch,
            used=self.beside.used,
            objective=self.objective,
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings, nested, without what only the client needs."""
        return {key: value for key, value in self.sent.items() if is_setting(key)}

    @property
    def results(self) -> dict[str, Any]:
        """Its last values in the same way."""
        return {key: value for key, value in self.last.items() if is_result(key)}

    @cached_property
    def config(self) -> dict[str, Scalar]:
        """Settings by dotted key."""
        return flatten(self.settings)

    @cached_property
    def summary(self) -> dict[str, Scalar]:
        """Last values by dotted key."""
        return flatten(self.results)

    @cached_property
    def logged(self) -> dict[str, int]:
        """Key of every logged number -> how often it was logged."""
        known = json.loads(self.row["history_keys"]).get("keys", {})
        counts = {key: _numbers(entry) for key, entry in known.items() if key[:1] != "_"}
        return {key: count for key, count in counts.items() if count}

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


def _numbers(entry: Mapping[str, Any]) -> int:
    return sum(one["count"] for one in entry["typeCounts"] if one["type"] == "number")


def _held(row: RowMapping, beside: ProjectBeside) -> Held:
    objective = beside.objectives.get(row["sweep_name"])
    return Held(row, row["state"], beside.runs.get(row["id"], Beside()), objective, _trial(row, beside.titles))


def _trial(row: RowMapping, titles: Mapping[str, str]) -> str | None:
    sweep = row["sweep_name"]
    return name_of_run(titles[sweep], sweep, row["name"]) if sweep in titles else None


def _without(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != START_KEY}


class Known(NamedTuple):
    """The runs of a project at a moment."""

    runs: Sequence[Held]
    """Oldest first."""
    seq: int = 0
    """Number of the project's last change."""
    removed: int = 0
    """Number of its last change that took something away."""


class Project:
    """The runs of one project.

    Args:
        number: row of the table of projects.
        patience: when a silent run counts as crashed.
    """

    def __init__(self, number: int, patience: Patience) -> None:
        self.number = number
        self.patience = patience
        self._known = Known(())
        self._titles: Mapping[str, str] = {}
        self._lock = threading.Lock()

    def known(self, connection: Connection, *, now: float) -> Known:
        """Every run as it is now.

        Args:
            connection: a transaction.
            now: seconds since the epoch.
        """
        with self._lock:
            marks = connection.execute(select(projects.c.seq, projects.c.removed).filter_by(id=self.number)).one()
            held = self._read(connection, marks.removed) if marks.seq > self._known.seq else self._known.runs
            self._known = Known([self._now(run, now) for run in held], max(marks.seq, self._known.seq), marks.removed)
            return self._known

    def _read(self, connection: Connection, removed: int) -> list[Held]:
        """What is held, with what has changed since, without what is gone."""
        held, ours = {run.number: run for run in self._known.runs}, runs.c.project_id == self.number
        if removed > self._known.seq:
            there = set(connection.execute(select(runs.c.id).where(ours)).scalars())
            held = {number: held[number] for number in held.keys() & there}
        fresh = all_rows(connection, WITH_SWEEP.where(ours, runs.c.changed > self._known.seq))
        beside = ProjectBeside.read(connection, self.number, since=self._known.seq)
        if beside.titles != self._titles:  # trials are called after their sweep
            held = {number: replace(run, trial=_trial(run.row, beside.titles)) for number, run in held.items()}
            self._titles = beside.titles
        held |= {row["id"]: _held(row, beside) for row in fresh}
        return sorted(held.values(), key=lambda run: (run.row["created_at"], run.number))

    def _now(self, run: Held, now: float) -> Held:
        """A run that is silent for too long changes its state without a change of its row."""
        state = self.patience.shown_state(run.row, now=now)
        return run if state == run.state else replace(run, state=state)
