"""Projects and runs in the database."""

from __future__ import annotations

import json
import secrets
import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from kag.server.arguments import items, json_object, text
from kag.server.context import Context
from kag.server.faults import Fault, needed
from kag.server.store import find, highest, inserted, updated, upsert
from kag.server.tables import EVENTS, HISTORY, OUTPUT, lines, projects, runs, sweeps

RESUME_WINDOW = 600.0
"""Seconds between a client's question what there is to resume and its return to the run."""

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


def run_by_id(connection: Connection, number: int) -> RowMapping:
    """The run, or NotFound."""
    return needed(find(connection, runs, id=number), "no such run")


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
            json_object(column, value)
    if given.get("tags") is not None:
        changes["tags"] = json.dumps(items(given, "tags", str))
    return changes


def start_run(context: Context, project: RowMapping, given: Mapping[str, Any]) -> tuple[RowMapping, bool]:
    """Make a run, or come back to one that exists; whether it is new comes second.

    A client that comes back to an ended run continues it if it has asked what to resume, and else starts it over. Lines
    are replaced only when it really sends line 0: a client that was cut off for long goes on where it was.
    Of the config, each of the clients that share a run sends only its own part.
    """
    connection, now = context.connection, context.now
    name = checked_name("run", given.get("name") or secrets.token_hex(4))
    changes = changes_of(given)
    if given.get("sweep"):
        sweep = find(connection, sweeps, project_id=project["id"], name=str(given["sweep"]))
        changes["sweep_id"] = None if sweep is None else sweep["id"]
    old = find_run(connection, project["id"], name, lock=True)
    if old is None:
        row = {
            "project_id": project["id"],
            "name": name,
            "display_name": name,
            **dict.fromkeys(("config", "summary", "history_keys"), "{}"),
            "tags": "[]",
            "user": context.user,
            "state": _first_state(given),
            "should_stop": False,
            "restarted": 0,
            "created_at": now,
            "heartbeat_at": now,
        }
        return inserted(connection, runs, row | changes), True
    if context.shown_state(old) != "running":
        resumed = old["resume_asked_at"] is not None and now - old["resume_asked_at"] < RESUME_WINDOW
        changes |= {"restarted": 0 if resumed else ALL_STREAMS, "resume_asked_at": None}
        changes |= {"state": "running", "exit_code": None, "should_stop": False}
    elif context.writer and "config" in changes:
        changes["config"] = json.dumps(json.loads(old["config"]) | json.loads(changes["config"]))
    return updated(connection, runs, old["id"], {**changes, "heartbeat_at": now}), False


def _first_state(given: Mapping[str, Any]) -> str:
    state = text(given, "state") or "running"
    if state not in ("running", "pending"):
        raise Fault(f"a run cannot begin as {state!r}")
    return state


def note_resume(connection: Connection, number: int, *, now: float) -> None:
    """A client has asked what there is to resume: it is about to come back."""
    connection.execute(runs.update().filter_by(id=number).values(resume_asked_at=now))


def edit_run(connection: Connection, number: int, given: Mapping[str, Any]) -> RowMapping:
    """Change what a person may change; the run's state stays."""
    changes = changes_of(given)
    row = run_by_id(connection, number)
    return updated(connection, runs, number, changes) if changes else row


def of_stream(run_id: int, stream: int) -> ColumnElement[bool]:
    """The lines of a stream of a run."""
    return (lines.c.run_id == run_id) & (lines.c.stream == stream)


def line_offset(connection: Connection, run: RowMapping, stream: int) -> int:
    """The line from which a client should go on: 0 if it starts the run over."""
    return 0 if run["restarted"] >> stream & 1 else next_line(connection, run["id"], stream)


def next_line(connection: Connection, run_id: int, stream: int, writer: str = "") -> int:
    """The line after the last one of a stream."""
    return highest(connection, lines.c.line, of_stream(run_id, stream), lines.c.writer == writer) + 1


def tail(connection: Connection, run_id: int, stream: int, count: int = 1) -> list[str]:
    """The last lines of a stream, in order."""
    query = select(lines.c.body).where(of_stream(run_id, stream)).order_by(lines.c.line.desc()).limit(count)
    return list(reversed(connection.execute(query).scalars().all()))


WITH_SWEEP = select(runs, sweeps.c.name.label("sweep_name")).outerjoin(sweeps, runs.c.sweep_id == sweeps.c.id)
"""Query for runs with the name of their sweep."""
