"""What the records of W&B's files say of one run, attempt after attempt."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kag.number import number
from kag.track.client import RESUMED
from kag.track.mirrored import CLIENT_KEY, END_KEY, Mirrored, Used
from kag.track.record import Status

Message = Any
"""A protobuf message; its classes are made at run time and have no static types."""

Values = dict[tuple[str, ...], str]
"""Nested keys and their values, which stay JSON until they are needed."""

PATCH = "diff.patch"
"""File in which the client keeps the changes that were not committed."""


class Attempts:
    """One run out of its files: `begin` before each file, `add` for each of its records, then `run`.

    What the client says of itself is put together as it sends it to a server; see `kag.track.client`.
    """

    def __init__(self) -> None:
        self._begun: list[Message] = []
        self._status = Status.RUNNING
        self._exit_code: int | None = None
        self._config: Values = {}
        self._summary: Values = {}
        self._machines: dict[str, dict[str, Any]] = {}
        self._metrics: dict[str, dict[str, Any]] = {}
        self._features: set[int] = set()
        self._used: list[Used] = []
        self._made: list[str] = []
        self._has_patch = False

    def begin(self) -> None:
        """The run starts or is resumed: how it ended before is no longer how it ends."""
        self._status, self._exit_code = Status.RUNNING, None
        self._summary.pop((END_KEY,), None)
        self._machines, self._metrics, self._features = {}, {}, set()

    def add(self, record: Message) -> None:
        """Take in what a record says."""
        match record.WhichOneof("record_type"):
            case "run":
                self._add_run(record.run)
            case "config":
                update(self._config, record.config)
            case "summary":
                update(self._summary, record.summary)
            case "telemetry":
                self._add_features(record.telemetry)
            case "environment":
                self._add_machine(record.environment)
            case "metric":
                name = record.metric.name or record.metric.glob_name
                self._metrics[name] = self._metrics.get(name, {}) | _numbered(record.metric)
            case "use_artifact":
                used = record.use_artifact
                self._used.append(Used(used.name, used.type, used.id))
            case "artifact":
                self._made.append(record.artifact.name)
            case "files":
                self._has_patch |= any(file.path == PATCH for file in record.files.files)
            case "exit":
                self._exit_code = record.exit.exit_code
                self._status = Status.ABORTED if self._exit_code else Status.FINISHED

    def run(self, wandb_id: str) -> Mirrored | None:
        """The run, or None if nothing says which it is.

        Raises:
            ValueError: its start or one of its values cannot be read.
        """
        if not self._begun:
            return None
        first, last, config = self._begun[0], self._begun[-1], tree(self._config)
        said = config.get(CLIENT_KEY)
        config[CLIENT_KEY] = (said if isinstance(said, dict) else {}) | self._said(last)
        summary = tree(self._summary)
        return Mirrored(
            wandb_id=wandb_id,
            display_name=last.display_name,
            start=_start(first),
            status=self._status,
            config=config,
            summary=summary,
            tags=tuple(last.tags),
            notes=last.notes,
            sweep=last.sweep_id or None,
            heard=_heard(summary),
            exit_code=self._exit_code,
            group=last.run_group or None,
            job_type=last.job_type or None,
            commit=last.git.commit or None,
            has_patch=self._has_patch,
            used=tuple(dict.fromkeys(self._used)),
            made=tuple(dict.fromkeys(self._made)),
        )

    def _add_run(self, run: Message) -> None:
        self._begun.append(run)
        if run.branch_point.run == run.run_id:
            # Taken back to an earlier step, it begins with a new summary.
            self._summary.clear()
        update(self._config, run.config)
        self._add_features(run.telemetry)

    def _add_features(self, telemetry: Message) -> None:
        self._features |= {field.number for field, _ in telemetry.feature.ListFields()}

    def _add_machine(self, machine: Message) -> None:
        from kag.track.wandb_private import MessageToDict

        known = self._machines.setdefault(machine.writer_id, {})
        known |= MessageToDict(machine)

    def _said(self, last: Message) -> dict[str, Any]:
        resumed = {RESUMED} if len(self._begun) > 1 else set()
        return {
            "e": self._machines,
            "m": list(self._metrics.values()),
            "t": {"3": sorted(self._features | resumed)},
            "python_version": last.telemetry.python_version or None,
            "cli_version": last.telemetry.cli_version or None,
        }


def update(values: Values, change: Message) -> None:
    """Take a change of a config or a summary in."""
    for item in change.remove:
        gone = path(item)
        for known in [known for known in values if known[: len(gone)] == gone]:
            del values[known]
    for item in change.update:
        values[path(item)] = item.value_json


def path(item: Message) -> tuple[str, ...]:
    """The nested key of an item."""
    return (item.key,) if item.key else tuple(item.nested_key) or ("",)


def tree(values: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """Values by nested keys as a tree.

    Raises:
        ValueError: one is no JSON.
    """
    found: dict[str, Any] = {}
    for keys, value in zip(values, _read(values.values()), strict=True):
        part = found
        for key in keys[:-1]:
            inner = part.get(key)
            part[key] = part = inner if isinstance(inner, dict) else {}
        part[keys[-1]] = value
    return found


def row(items: Sequence[Message]) -> dict[str, Any]:
    """What a program logged at once, as a tree.

    Raises:
        ValueError: a value is no JSON.
    """
    keys = [item.key for item in items]
    if all(keys):
        return dict(zip(keys, _read([item.value_json for item in items]), strict=True))
    return tree({path(item): item.value_json for item in items})


def _read(values: Collection[str]) -> list[Any]:
    """The values of texts of JSON, all at once: a project has millions."""
    read: list[Any] = json.loads(f"[{','.join(values)}]")
    if len(read) != len(values):
        raise ValueError("a value is not one value of JSON")
    return read


def _numbered(metric: Message) -> dict[str, Any]:
    """A metric as the client writes it into a config: fields by their numbers, of flags those that are set."""
    summary = [field.number for field, _ in metric.summary.ListFields()]
    plain: Iterable[tuple[str, Any]] = (("1", metric.name), ("2", metric.glob_name), ("8", metric.goal), ("7", summary))
    return {number: value for number, value in plain if value}


def _start(begun: Any) -> datetime:
    """When a run began.

    Raises:
        ValueError: at no time that there is; an older protobuf raises OverflowError of some.
    """
    try:
        found: datetime = begun.start_time.ToDatetime(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    return found


def _heard(summary: Mapping[str, Any]) -> datetime | None:
    seconds = number(summary.get("_timestamp"))
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
