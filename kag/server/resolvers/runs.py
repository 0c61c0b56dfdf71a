"""Runs: made, edited, stopped, deleted; the fields of one."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, select

from kag.server.arguments import Arguments, entity_of, input_of, items
from kag.server.context import Context, decode_id, encode_id
from kag.server.faults import Fault
from kag.server.filestream import told_to_stop
from kag.server.graphql import Node, Registry
from kag.server.resolvers.account import user
from kag.server.resolvers.fields import column, constant, moment
from kag.server.resolvers.projects import project_by_id
from kag.server.runs import edit_run, ensure_project, find_project, find_run, run_by_id, shown_state, start_run, tail
from kag.server.store import first
from kag.server.tables import EVENTS
from kag.server.tables import runs as run_table
from kag.server.tables import sweeps as sweep_table


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    if given.get("id"):
        row, inserted = edit_run(context.connection, decode_id("Run", given["id"]), given), False
    else:
        entity = entity_of(context, given)
        project = ensure_project(context.connection, entity, given.get("modelName"), now=context.now)
        row, inserted = start_run(
            context.connection,
            project,
            given,
            user=context.user,
            now=context.now,
            started=context.started,
            crashed_after=context.settings.crashed_after,
            shared=bool(context.writer),
        )
    return Node("UpsertBucketPayload", {"bucket": Node("Run", row), "inserted": inserted})


def _delete(context: Context, _: Any, arguments: Arguments) -> Node:
    number = decode_id("Run", input_of(arguments).get("id"))
    context.connection.execute(run_table.delete().where(run_table.c.id == number))
    return Node("DeleteRunPayload", {"clientMutationId": None, "success": True})


def _stop(context: Context, _: Any, arguments: Arguments) -> Node:
    number = run_by_id(context.connection, decode_id("Run", input_of(arguments).get("id")))["id"]
    context.connection.execute(run_table.update().where(run_table.c.id == number).values(should_stop=True))
    return Node("StopRunPayload", {"clientMutationId": None, "success": True})


_TRANSITIONS = {"pending": ("running", "failed", "crashed", "preempted"), "failed": ("pending", "running", "crashed")}


def _update_state(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = run_by_id(context.connection, decode_id("Run", given.get("id")))
    state = str(given.get("state"))
    if row["sweep_id"] is not None or _shown(context, row, {}) not in _TRANSITIONS.get(state, ()):
        raise Fault(f"this run cannot become {state}")
    context.connection.execute(run_table.update().where(run_table.c.id == row["id"]).values(state=state))
    return Node("UpdateRunStatePayload", {"success": True})


def _shown(context: Context, row: RowMapping, arguments: Arguments) -> str:
    patience = context.settings.crashed_after
    return shown_state(row, now=context.now, started=context.started, crashed_after=patience)


def _sweep_name(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    if row["sweep_id"] is None:
        return None
    found = first(context.connection, select(sweep_table.c.name).where(sweep_table.c.id == row["sweep_id"]))
    return None if found is None else str(found["name"])


def _system_metrics(context: Context, row: RowMapping, arguments: Arguments) -> str:
    last = tail(context.connection, row["id"], EVENTS)
    return last[0] if last else "{}"


def _wandb_config(context: Context, row: RowMapping, arguments: Arguments) -> str:
    """The client's own part of the config, only the keys asked for."""
    internal = json.loads(row["config"]).get("_wandb", {})
    value = internal.get("value", internal) if isinstance(internal, dict) else {}
    wanted = items(arguments, "keys", str)
    return json.dumps({key: value[key] for key in value if not wanted or key in wanted})


def _alert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    project = find_project(context.connection, entity_of(context, given), given.get("projectName"))
    run = None if project is None else find_run(context.connection, project["id"], given.get("runName"))
    return Node("NotifyScriptableRunAlertPayload", {"success": run is not None})


TYPES: Registry[Context] = {
    "Mutation": {
        "upsertBucket": _upsert,
        "deleteRun": _delete,
        "stopRun": _stop,
        "updateRunState": _update_state,
        "notifyScriptableRunAlert": _alert,
    },
    "UpsertBucketPayload": {
        "bucket": column("bucket"),
        "inserted": column("inserted"),
        "serverSettings": lambda context, row, arguments: Node("ServerSettings"),
    },
    "ServerSettings": {"serverMessages": lambda context, row, arguments: []},
    "DeleteRunPayload": {"clientMutationId": column("clientMutationId"), "success": column("success")},
    "StopRunPayload": {"clientMutationId": column("clientMutationId"), "success": column("success")},
    "UpdateRunStatePayload": {"success": column("success")},
    "NotifyScriptableRunAlertPayload": {"success": column("success")},
    "Run": {
        "id": lambda context, row, arguments: encode_id("Run", row["id"]),
        "name": column("name"),
        "projectId": column("project_id"),
        "project": lambda context, row, arguments: project_by_id(context, row["project_id"]),
        "displayName": column("display_name"),
        "description": column("description"),
        "notes": column("notes"),
        "config": column("config"),
        "summaryMetrics": column("summary"),
        "systemMetrics": _system_metrics,
        "wandbConfig": _wandb_config,
        "group": column("group_name"),
        "jobType": column("job_type"),
        "tags": lambda context, row, arguments: json.loads(row["tags"]),
        "commit": column("commit"),
        "host": column("host"),
        "repo": column("repo"),
        "readOnly": constant(False),
        "state": _shown,
        "exitcode": column("exit_code"),
        "shouldStop": column("should_stop"),
        "running": lambda context, row, arguments: _shown(context, row, {}) == "running",
        "failed": lambda context, row, arguments: _shown(context, row, {}) in ("failed", "crashed"),
        "stopped": lambda context, row, arguments: told_to_stop(context.connection, row),
        "sweepName": _sweep_name,
        "createdAt": moment("created_at"),
        "heartbeatAt": moment("heartbeat_at"),
        "updatedAt": moment("heartbeat_at"),
        "user": lambda context, row, arguments: user(context, row["user"]),
    },
}
