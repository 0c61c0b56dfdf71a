"""Projects and runs in the database."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from kag.server.arguments import items, kept_object
from kag.server.batches import Read
from kag.server.faults import Fault, needed
from kag.server.store import find, highest, updated, upsert
from kag.server.tables import EVENTS, HISTORY, OUTPUT, lines, projects, runs, sweeps

STREAMS = {"wandb-history.jsonl": HISTORY, "wandb-events.jsonl": EVENTS, "output.log": OUTPUT}
"""File of a file_stream request -> stream."""

ALL_STREAMS = 1 << HISTORY | 1 << EVENTS | 1 << OUTPUT
"""Value of `restarted` that says of every stream: the next piece from line 0 replaces what is there."""


def checked_name(kind: str, name: Any) -> str:
    """A name of a project, a run, ...

    Raises:
        Fault: it is empty, longer than 128 characters, or holds a slash or a control character.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= 128:
        raise Fault(f"a {kind} needs a name of 1 to 128 characters")
    if any(letter in "/\\" or unicodedata.category(letter)[0] == "C" for letter in name):
        raise Fault(f"the {kind} name {name!r} holds a slash or a control character")
    return name


def internal_config(run: RowMapping) -> dict[str, Any]:
    """What the client itself keeps in the config of a run, under `_wandb`; {} if nothing that can be read."""
    found = json.loads(run["config"]).get("_wandb")
    value = found.get("value", found) if isinstance(found, dict) else None
    return value if isinstance(value, dict) else {}


def find_project(connection: Connection, entity: str, name: Any) -> RowMapping | None:
    """The project, or None."""
    return find(connection, projects, entity=entity, name=str(name))


def ensure_project(connection: Connection, entity: str, name: Any, *, now: float) -> RowMapping:
    """The project; made if there is none."""
    checked_name("entity", entity)
    row = {"entity": entity, "name": checked_name("project", name or "uncategorized"), "created_at": now}
    upsert(connection, projects, [row], key=["entity", "name"], update=[])
    return needed(find_project(connection, entity, row["name"]), "the project vanished")


def find_run(connection: Connection, project_id: int, name: Any, *, lock: bool = False) -> RowMapping | None:
    """The run, or None; `lock` keeps others from changing it until the transaction ends."""
    return find(connection, runs, lock=lock, project_id=project_id, name=str(name))


def find_run_by_path(
    connection: Connection, entity: str, project: Any, name: Any, *, lock: bool = False
) -> RowMapping | None:
    """The run, or None; `lock` as for `find_run`."""
    owner = find_project(connection, entity, project)
    return None if owner is None else find_run(connection, owner["id"], name, lock=lock)


def find_run_by_id(connection: Connection, number: int, *, lock: bool = False) -> RowMapping | None:
    """The run, or None, as of one that was deleted and may be restored; `lock` as for `find_run`."""
    found = find(connection, runs, lock=lock, id=number)
    return None if found is None or found["project_id"] is None else found


def run_by_id(connection: Connection, number: int, *, lock: bool = False) -> RowMapping:
    """The run, or NotFound; `lock` as for `find_run`."""
    return needed(find_run_by_id(connection, number, lock=lock), "no such run")


def run_by_path(connection: Connection, entity: str, project: Any, name: Any, *, lock: bool = False) -> RowMapping:
    """The run, or NotFound; `lock` as for `find_run`."""
    found = find_run_by_path(connection, entity, project, name, lock=lock)
    return needed(found, f"no run {entity}/{project}/{name}")


FIELDS = {name: name for name in ("description", "notes", "host", "commit", "config")} | {
    "displayName": "display_name",
    "groupName": "group_name",
    "jobType": "job_type",
    "jobProgram": "program",
    "jobRepo": "repo",
    "summaryMetrics": "summary",
}
"""Fields of an upsertBucket input -> columns."""


def changes_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that an upsertBucket input sets; a null leaves a column as it is.

    Raises:
        Fault: config or summary are not JSON objects, or the tags no list of words.
    """
    changes = {column: given[name] for name, column in FIELDS.items() if given.get(name) is not None}
    for column, value in changes.items():
        if not isinstance(value, str):
            raise Fault(f"{column} must be a text")
        if column in ("config", "summary"):
            _, changes[column] = kept_object(column, value)
    if given.get("tags") is not None:
        changes["tags"] = json.dumps(items(given, "tags", str))
    return changes


def edit_run(connection: Connection, number: int, given: Mapping[str, Any]) -> RowMapping:
    """Change what a person may change; the run's state stays."""
    changes = changes_of(given)
    row = run_by_id(connection, number)
    return updated(connection, runs, number, changes) if changes else row


def of_stream(run_id: int | ColumnElement[int], stream: int) -> ColumnElement[bool]:
    """The lines of a stream of a run."""
    return (lines.c.run_id == run_id) & (lines.c.stream == stream)


def line_offsets(stream: int) -> Read[int]:
    """Reads the line from which a client should go on with a stream, of many runs: 0 of one that it starts over."""
    written = select(func.max(lines.c.line)).where(of_stream(runs.c.id, stream), lines.c.writer == "")
    last = func.coalesce(written.scalar_subquery(), -1)

    def read(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
        query = select(runs.c.id, runs.c.restarted, last).where(runs.c.id.in_(numbers))
        found = connection.execute(query)
        return {number: 0 if restarted >> stream & 1 else line + 1 for number, restarted, line in found}

    return read


def next_line(connection: Connection, run_id: int, stream: int, writer: str = "") -> int:
    """The line after the last one of a stream."""
    return highest(connection, lines.c.line, of_stream(run_id, stream), lines.c.writer == writer) + 1


def tail(connection: Connection, run_id: int, stream: int, count: int = 1) -> list[str]:
    """The last lines of a stream, in order."""
    newest = (lines.c.line.desc(), lines.c.writer.desc())
    query = select(lines.c.body).where(of_stream(run_id, stream)).order_by(*newest).limit(count)
    return list(reversed(connection.execute(query).scalars().all()))


WITH_SWEEP = select(runs, sweeps.c.name.label("sweep_name")).outerjoin(sweeps, runs.c.sweep_id == sweeps.c.id)
"""Query for runs with the name of their sweep."""
