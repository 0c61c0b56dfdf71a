"""Sweeps and agents."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, Select, Text, cast, false, select

from kag.server.arguments import Arguments, entity_of, input_of, json_object
from kag.server.batches import counts_of
from kag.server.context import Context, decode_id
from kag.server.faults import needed
from kag.server.graphql import Node, Registry
from kag.server.heartbeats import heartbeat
from kag.server.keyset import Key
from kag.server.prior_runs import adopt
from kag.server.resolvers.fields import columns, constants, identifier, moments, optional
from kag.server.resolvers.pages import listed, queried
from kag.server.resolvers.projects import project_of
from kag.server.runs import find_project
from kag.server.store import count, find
from kag.server.sweeps import by_name, create, create_agent, delete, edit, sweep_of
from kag.server.tables import agents, attempts
from kag.server.tables import runs as run_table
from kag.server.tables import sweeps as sweep_table
from kag.server.trials import results_of


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = edit(context, decode_id("Sweep", given["id"]), given) if given.get("id") else create(context, given)
    if given.get("priorRunsFilters"):
        adopt(context, row, given["priorRunsFilters"])
    return Node("UpsertSweepPayload", {"sweep": Node("Sweep", row), "configValidationWarnings": []})


def _create_agent(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    project = find_project(context.connection, entity_of(context, given), given.get("projectName") or "uncategorized")
    found = None if project is None else by_name(context.connection, project["id"], given.get("sweep"))
    sweep = needed(found, f"no sweep {given.get('sweep')!r} in this project")
    return Node("CreateAgentPayload", {"agent": Node("Agent", create_agent(context, sweep, given.get("host") or ""))})


def _heartbeat(context: Context, _: Any, arguments: Arguments) -> Node:
    agent, commands = heartbeat(context, input_of(arguments))
    return Node("AgentHeartbeatPayload", {"agent": Node("Agent", agent), "commands": json.dumps(commands)})


def _delete(context: Context, _: Any, arguments: Arguments) -> Node:
    number = decode_id("Sweep", input_of(arguments).get("id"))
    delete(context.connection, number)
    return Node("DeleteSweepPayload", {"success": True, "clientMutationId": None})


def _sweep(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return by_name(context.connection, row["id"], arguments.get("sweepName") or arguments.get("name"))


def _sweeps(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    wanted = json_object("filters", arguments.get("filters") or "{}")
    known = sweep_table.c
    fits = [cast(known[key], Text) == str(value) if key in known else false() for key, value in wanted.items()]
    query = select(sweep_table).filter_by(project_id=row["id"]).where(*fits)
    return queried(context, "Sweep", query, [Key(known.id, falling=True)], arguments)


_RUN_COUNTS = counts_of(run_table, run_table.c.sweep_id)


def _runs(sweep: RowMapping) -> Select[Any]:
    return select(run_table).filter_by(sweep_id=sweep["id"]).order_by(run_table.c.created_at, run_table.c.id)


def _best_loss(context: Context, row: RowMapping, arguments: Arguments) -> float | None:
    """The best value of the metric, with its sign turned where larger is better."""
    sweep = sweep_of(row["config"])
    if sweep.metric is None:
        return None
    found = context.batches.get("sweep", row["id"], results_of)
    if found is None:
        return None
    low, high = found
    return sweep.metric.loss(low if sweep.metric.goal == "minimize" else high)


def _agents(sweep: RowMapping) -> Select[Any]:
    return select(agents).filter_by(sweep_id=sweep["id"]).order_by(agents.c.id)


def _agent(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return find(context.connection, agents, sweep_id=row["id"], name=str(arguments.get("agentName")))


def _agent_runs(agent: RowMapping) -> Select[Any]:
    own = (attempts.c.sweep_id == run_table.c.sweep_id) & (attempts.c.run == run_table.c.name)
    begun = (attempts.c.sweep_id == agent["sweep_id"], attempts.c.agent == agent["name"])
    return select(run_table).join(attempts, own).where(*begun).order_by(run_table.c.created_at)


def _agent_run_count(context: Context, row: RowMapping, arguments: Arguments) -> int:
    return count(context.connection, attempts, sweep_id=row["sweep_id"], agent=row["name"])


def _agent_state(context: Context, row: RowMapping, arguments: Arguments) -> str:
    seen = max(row["heartbeat_at"], context.since)
    return "RUNNING" if context.now - seen < context.settings.limits.lease else "CRASHED"


TYPES: Registry[Context] = {
    "Mutation": {
        "upsertSweep": _upsert,
        "createAgent": _create_agent,
        "agentHeartbeat": _heartbeat,
        "deleteSweep": _delete,
    },
    "Project": {
        "sweep": optional("Sweep", _sweep),
        "sweeps": _sweeps,
        "totalSweeps": lambda context, row, arguments: count(context.connection, sweep_table, project_id=row["id"]),
    },
    "Sweep": {
        "id": identifier("Sweep"),
        **columns("name", "state", "description", "config", "controller", "scheduler", displayName="display_name"),
        **constants(controllerRunName=None, earlyStopJobRunning=False),
        **moments(createdAt="created_at", updatedAt="updated_at", heartbeatAt="updated_at"),
        "method": lambda context, row, arguments: sweep_of(row["config"]).method,
        "bestLoss": _best_loss,
        "project": project_of,
        "runs": listed("Run", _runs),
        "runCount": lambda context, row, arguments: context.batches.get("sweep", row["id"], _RUN_COUNTS) or 0,
        "runCountExpected": lambda context, row, arguments: sweep_of(row["config"]).trial_count(),
        "agents": listed("Agent", _agents),
        "agent": optional("Agent", _agent),
    },
    "Agent": {
        "id": identifier("Agent"),
        **columns("name", "host"),
        **moments(createdAt="created_at", heartbeatAt="heartbeat_at"),
        "state": _agent_state,
        "totalRuns": _agent_run_count,
        "runs": listed("Run", _agent_runs),
    },
}
