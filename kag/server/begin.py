"""How a run begins: new, over again, resumed, joined, forked from another one, or taken back to an earlier step.

What a client means is told by what it sends. A process that begins names its host; one that resumes also sends the id
that it was told before; what it sends later names neither. A question changes nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, insert

from kag.number import count
from kag.server.arguments import Arguments, entity_of, text
from kag.server.changes import note_removal
from kag.server.context import Context, decode_id
from kag.server.faults import Fault, Refused, needed
from kag.server.filestream import line_row, step_of, with_keys
from kag.server.history import page
from kag.server.rights import Act
from kag.server.runs import (
    ALL_STREAMS,
    changes_of,
    checked_name,
    find_run,
    find_run_by_id,
    internal_config,
    of_stream,
    run_by_id,
    run_by_path,
)
from kag.server.store import find, inserted, take_turns, updated, upsert
from kag.server.sweeps import forget_run
from kag.server.tables import HISTORY, deleted_runs, lines, runs, sweeps
from kag.server.things import run_thing

ENDED = ("finished", "failed", "killed", "preempted")
"""States in which a run has said that it is over."""


def begin(context: Context, project: RowMapping, given: Mapping[str, Any]) -> tuple[RowMapping, bool]:
    """Make a run, or come back to one that exists; whether it is new comes second.

    Without `resume` a run of the same name starts over: its lines are replaced when the first of the new ones arrives,
    unless they are the same ones again (`wandb sync` of a run that was killed).

    Raises:
        NotFound: a run that is to be resumed is gone.
        Fault: the run was deleted, and this is no process that begins, or it belongs to another key.
    """
    name = checked_name("run", given.get("name") or secrets.token_hex(4))
    changes = changes_of(given)
    if given.get("sweep"):
        sweep = find(context.connection, sweeps, project_id=project["id"], name=str(given["sweep"]))
        changes["sweep_id"] = needed(sweep, f"no sweep {given['sweep']!r} in this project")["id"]
    if given.get("id"):
        resumed = run_by_id(context.connection, decode_id("Run", given["id"]), lock=True)
        context.ask(Act.CHANGE, run_thing(context.connection, resumed))
        return _enter(context, resumed, changes | {"restarted": 0}), False
    old = find_run(context.connection, project["id"], name, lock=True)
    if old is None:
        take_turns(context.connection, "begin", project["id"], name)
        old = find_run(context.connection, project["id"], name, lock=True)
    if old is None:
        return _new(context, project, name, given, changes), True
    context.ask(Act.CHANGE, run_thing(context.connection, old))
    if context.writer:
        return _join(context, old, changes), False
    if given.get("host") is not None:
        return _enter(context, old, {"summary": "{}", **changes, "restarted": ALL_STREAMS}), False
    return updated(context.connection, runs, old["id"], changes | _alive(context, old)), False


def _enter(context: Context, old: RowMapping, changes: Mapping[str, Any]) -> RowMapping:
    living = {"state": "running", "exit_code": None, "should_stop": False, "heartbeat_at": context.now}
    return updated(context.connection, runs, old["id"], {**changes, **living})


def _alive(context: Context, old: RowMapping) -> dict[str, Any]:
    return {"heartbeat_at": context.now, "state": "running" if old["state"] == "pending" else old["state"]}


def _join(context: Context, old: RowMapping, changes: dict[str, Any]) -> RowMapping:
    """Each of the clients that share a run sends only its own part of the config."""
    if "config" in changes:
        changes["config"] = json.dumps(json.loads(old["config"]) | json.loads(changes["config"]))
    if old["state"] in ENDED:
        return _enter(context, old, changes)
    return updated(context.connection, runs, old["id"], changes | _alive(context, old))


def _new(
    context: Context, project: RowMapping, name: str, given: Mapping[str, Any], changes: Mapping[str, Any]
) -> RowMapping:
    connection, now = context.connection, context.now
    buried = find(connection, deleted_runs, project_id=project["id"], name=name)
    if buried is not None and given.get("host") is None and not given.get("state"):
        raise Refused(f"the run {name!r} was deleted; what is logged for it is not kept")
    connection.execute(deleted_runs.delete().filter_by(project_id=project["id"], name=name))
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
    made = inserted(connection, runs, row | dict(changes))
    parent = _parent(context, project["id"], made)
    return made if parent is None else _forked(context, made, *parent)


def _first_state(given: Mapping[str, Any]) -> str:
    state = text(given, "state") or "running"
    if state not in ("running", "pending"):
        raise Fault(f"a run cannot begin as {state!r}")
    return state


def _parent(context: Context, project_id: int, run: RowMapping) -> tuple[RowMapping, int] | None:
    """The run that the client says it forks from, and the last step that it takes over: `fork_from` in its config."""
    point = internal_config(run).get("branch_point")
    if not isinstance(point, dict):
        return None
    found = find_run(context.connection, project_id, point.get("run_id") or point.get("run"))
    last = count(point.get("step", point.get("value")))
    if found is None or last is None or point.get("metric", "_step") != "_step":
        raise Refused(f"a run can be forked from a step of a run that is in its project; {point!r} is none")
    return found, last


def _forked(context: Context, run: RowMapping, parent: RowMapping, last: int) -> RowMapping:
    """The run with the parent's rows up to a step, as its own first lines."""
    connection = context.connection
    rows = page(connection, parent["id"], low=None, high=last + 1)
    parsed = [json.loads(row) for row in rows]
    copies = [
        line_row(run["id"], HISTORY, "", place, step_of(row, place), body)
        for place, (row, body) in enumerate(zip(parsed, rows, strict=True))
    ]
    if copies:
        connection.execute(insert(lines), copies)
    keys = with_keys({}, parsed, last) if parsed else {}
    return updated(connection, runs, run["id"], {"history_keys": json.dumps(keys)})


def rewind(context: Context, given: Arguments) -> RowMapping:
    """Take a run back to a step: later rows are gone, and the run goes on from there.

    Raises:
        NotFound: no such run.
        Fault: it is to go back by another metric than the step, or to no number.
    """
    connection = context.connection
    run = run_by_path(connection, entity_of(context, given), given.get("projectName"), given.get("runName"), lock=True)
    last = count(given.get("metricValue"))
    if given.get("metricName") != "_step" or last is None:
        raise Refused("a run can be taken back to a _step only")
    connection.execute(lines.delete().where(of_stream(run["id"], HISTORY), lines.c.step > last))
    kept = [json.loads(body) for body in page(connection, run["id"], low=None, high=None)]
    summary = {key: value for row in kept for key, value in row.items()}
    keys = with_keys({}, kept, last) if kept else {}
    changes = {"history_keys": json.dumps(keys), "summary": json.dumps(summary), "restarted": 0}
    return _enter(context, run, changes)


def delete(connection: Connection, run_id: int, *, now: float) -> None:
    """Remove a run with all that it has; what its process sends from then on is refused."""
    found = find_run_by_id(connection, run_id)
    if found is None:
        return
    bury(connection, found, now=now)
    connection.execute(runs.delete().filter_by(id=run_id))


def bury(connection: Connection, run: RowMapping, *, now: float) -> None:
    """A run is about to leave its project: its sweep, its process and whoever holds it will know."""
    forget_run(connection, run)
    note_removal(connection, run["project_id"])
    row = {"project_id": run["project_id"], "name": run["name"], "deleted_at": now}
    upsert(connection, deleted_runs, [row], key=["project_id", "name"], update=["deleted_at"])
