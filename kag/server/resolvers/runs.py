"""Runs: made, edited, stopped, deleted; the fields of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.server.alerts import keep
from kag.server.arguments import Arguments, entity_of, input_of, items
from kag.server.artifacts import delete_outputs
from kag.server.batches import rows_of
from kag.server.begin import begin, rewind
from kag.server.context import Context, decode_id
from kag.server.faults import Fault
from kag.server.filestream import told_to_stop
from kag.server.graphql import Node, Registry
from kag.server.resolvers.account import user
from kag.server.resolvers.fields import columns, constants, identifier, moments
from kag.server.resolvers.projects import project_of
from kag.server.runs import (
    edit_run,
    ensure_project,
    find_run_by_id,
    internal_config,
    of_stream,
    run_by_id,
    run_by_path,
)
from kag.server.tables import EVENTS, lines
from kag.server.tables import runs as run_table
from kag.server.tables import sweeps as sweep_table
from kag.server.trash import set_aside


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    if given.get("id") and not given.get("name"):
        row, inserted = edit_run(context.connection, decode_id("Run", given["id"]), given), False
    else:
        entity = entity_of(context, given)
        project = ensure_project(context.connection, entity, given.get("modelName"), now=context.now)
        row, inserted = begin(context, project, given)
    settings = Node("ServerSettings", {"serverMessages": []})
    return Node("UpsertBucketPayload", {"bucket": Node("Run", row), "inserted": inserted, "serverSettings": settings})


def _delete(context: Context, _: Any, arguments: Arguments) -> Node:
    """For a client it is gone; on the page it can be restored for a day, but for artifacts that were to go with it."""
    given = input_of(arguments)
    run = find_run_by_id(context.connection, decode_id("Run", given.get("id")), lock=True)
    if run is not None:
        if given.get("deleteArtifacts"):
            delete_outputs(context.connection, run["id"])
        set_aside(context.connection, run, user=context.user, now=context.now)
    return Node("DeleteRunPayload", {"clientMutationId": None, "success": True})


def _rewind(context: Context, _: Any, arguments: Arguments) -> Node:
    return Node("RewindRunPayload", {"rewoundRun": Node("Run", rewind(context, input_of(arguments)))})


def _stop(context: Context, _: Any, arguments: Arguments) -> Node:
    number = run_by_id(context.connection, decode_id("Run", input_of(arguments).get("id")))["id"]
    context.connection.execute(run_table.update().filter_by(id=number).values(should_stop=True))
    return Node("StopRunPayload", {"clientMutationId": None, "success": True})


_TRANSITIONS = {"pending": ("running", "failed", "crashed", "preempted"), "failed": ("pending", "running", "crashed")}


def _update_state(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = run_by_id(context.connection, decode_id("Run", given.get("id")))
    state = str(given.get("state"))
    if row["sweep_id"] is not None or context.shown_state(row) not in _TRANSITIONS.get(state, ()):
        raise Fault(f"this run cannot become {state}")
    context.connection.execute(run_table.update().filter_by(id=row["id"]).values(state=state))
    return Node("UpdateRunStatePayload", {"success": True})


_SWEEPS = rows_of(sweep_table)


def _sweep_name(context: Context, row: RowMapping, arguments: Arguments) -> str | None:
    sweep = None if row["sweep_id"] is None else context.batches.row("sweep", row["sweep_id"], _SWEEPS)
    return None if sweep is None else str(sweep["name"])


def _last_events(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    """The last line of system metrics of some runs."""
    newest = (lines.c.line.desc(), lines.c.writer.desc())
    own = select(lines.c.body).where(of_stream(run_table.c.id, EVENTS)).order_by(*newest).limit(1)
    query = select(run_table.c.id, own.scalar_subquery()).where(run_table.c.id.in_(numbers))
    return {number: body for number, body in connection.execute(query) if body is not None}


def _system_metrics(context: Context, row: RowMapping, arguments: Arguments) -> str:
    return context.batches.get("run", row["id"], _last_events) or "{}"


def _wandb_config(context: Context, row: RowMapping, arguments: Arguments) -> str:
    """The client's own part of the config, only the keys asked for."""
    wanted = items(arguments, "keys", str)
    kept = internal_config(row)
    return json.dumps({key: kept[key] for key in kept if not wanted or key in wanted})


def _alert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    entity = entity_of(context, given)
    run = run_by_path(context.connection, entity, given.get("projectName"), given.get("runName"))
    kept = keep(context.connection, run["id"], given, now=context.now)
    if kept is not None:
        where = {"entity": entity, "project": given["projectName"], "run": run["name"]}
        told = {name: kept[name] for name in ("title", "text", "level", "created_at")}
        context.alerts.append({**where, "name": run["display_name"] or run["name"], **told})
    return Node("NotifyScriptableRunAlertPayload", {"success": True})


TYPES: Registry[Context] = {
    "Mutation": {
        "upsertBucket": _upsert,
        "deleteRun": _delete,
        "stopRun": _stop,
        "rewindRun": _rewind,
        "updateRunState": _update_state,
        "notifyScriptableRunAlert": _alert,
    },
    "RunInfo": {
        **columns("program"),
        **constants(args=None, os=None, python=None, colab=None, executable=None, codeSaved=False),
        **constants(cpuCount=None, gpuCount=None, gpu=None),
        "git": lambda context, row, arguments: Node("GitInfo", {"remote": row["repo"], "commit": row["commit"]}),
    },
    "Run": {
        "id": identifier("Run"),
        **columns("name", "description", "notes", "config", "commit", "host", "repo"),
        **columns(projectId="project_id", displayName="display_name", summaryMetrics="summary", group="group_name"),
        **columns(jobType="job_type", exitcode="exit_code", shouldStop="should_stop"),
        **moments(createdAt="created_at", heartbeatAt="heartbeat_at", updatedAt="heartbeat_at"),
        **constants(readOnly=False),
        "project": project_of,
        "systemMetrics": _system_metrics,
        "wandbConfig": _wandb_config,
        "tags": lambda context, row, arguments: json.loads(row["tags"]),
        "state": lambda context, row, arguments: context.shown_state(row),
        "running": lambda context, row, arguments: context.shown_state(row) == "running",
        "failed": lambda context, row, arguments: context.shown_state(row) in ("failed", "crashed"),
        "stopped": lambda context, row, arguments: told_to_stop(context.connection, row),
        "sweepName": _sweep_name,
        "user": lambda context, row, arguments: user(context, row["user"]),
        "internalId": identifier("Run"),
        "runInfo": lambda context, row, arguments: Node("RunInfo", row),
    },
}
