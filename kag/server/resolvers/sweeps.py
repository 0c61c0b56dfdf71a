"""Sweeps and agents."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, func, select

from kag.server.arguments import Arguments, entity_of, input_of
from kag.server.context import Context, decode_id, encode_id
from kag.server.faults import NotFound
from kag.server.graphql import Node, Registry
from kag.server.resolvers.fields import column, constant, moment
from kag.server.resolvers.pages import connection, connection_types
from kag.server.resolvers.projects import project_by_id
from kag.server.runs import find_project, json_object
from kag.server.store import all_rows, first
from kag.server.sweeps import by_name, create, create_agent, edit, heartbeat, sweep_of, trials_of
from kag.server.tables import agents, attempts
from kag.server.tables import runs as run_table
from kag.server.tables import sweeps as sweep_table


def _upsert(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    row = edit(context, decode_id("Sweep", given["id"]), given) if given.get("id") else create(context, given)
    return Node("UpsertSweepPayload", {"sweep": Node("Sweep", row), "configValidationWarnings": []})


def _create_agent(context: Context, _: Any, arguments: Arguments) -> Node:
    given = input_of(arguments)
    project = find_project(context.connection, entity_of(context, given), given.get("projectName") or "uncategorized")
    sweep = None if project is None else by_name(context.connection, project["id"], given.get("sweep"))
    if sweep is None:
        raise NotFound(f"no sweep {given.get('sweep')!r} in this project")
    return Node("CreateAgentPayload", {"agent": Node("Agent", create_agent(context, sweep, given.get("host") or ""))})


def _heartbeat(context: Context, _: Any, arguments: Arguments) -> Node:
    agent, commands = heartbeat(context, input_of(arguments))
    return Node("AgentHeartbeatPayload", {"agent": Node("Agent", agent), "commands": json.dumps(commands)})


def _delete(context: Context, _: Any, arguments: Arguments) -> Node:
    number = decode_id("Sweep", input_of(arguments).get("id"))
    context.connection.execute(sweep_table.delete().where(sweep_table.c.id == number))
    return Node("DeleteSweepPayload", {"success": True, "clientMutationId": None})


def _sweep(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    name = arguments.get("sweepName") or arguments.get("name")
    found = by_name(context.connection, row["id"], name)
    return None if found is None else Node("Sweep", found)


def _sweeps(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(sweep_table).where(sweep_table.c.project_id == row["id"])
    found = all_rows(context.connection, query.order_by(sweep_table.c.created_at.desc(), sweep_table.c.id.desc()))
    wanted = json_object("filters", arguments.get("filters") or "{}")
    fitting = [one for one in found if all(str(one.get(key)) == str(value) for key, value in wanted.items())]
    return connection("Sweep", [Node("Sweep", one) for one in fitting], arguments)


def _total(context: Context, row: RowMapping, arguments: Arguments) -> int:
    query = select(func.count()).select_from(sweep_table).where(sweep_table.c.project_id == row["id"])
    return int(context.connection.execute(query).scalar_one())


def _runs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(run_table).where(run_table.c.sweep_id == row["id"])
    found = all_rows(context.connection, query.order_by(run_table.c.created_at, run_table.c.id))
    return connection("Run", [Node("Run", one) for one in found], arguments)


def _run_count(context: Context, row: RowMapping, arguments: Arguments) -> int:
    query = select(func.count()).select_from(run_table).where(run_table.c.sweep_id == row["id"])
    return int(context.connection.execute(query).scalar_one())


def _expected(context: Context, row: RowMapping, arguments: Arguments) -> int | None:
    return sweep_of(row["config"]).trial_count()


def _best_loss(context: Context, row: RowMapping, arguments: Arguments) -> float | None:
    """The best value of the metric, with its sign turned where larger is better."""
    sweep = sweep_of(row["config"])
    if sweep.metric is None:
        return None
    sign = -1.0 if sweep.metric.goal == "maximize" else 1.0
    results = [sign * trial.result for trial in trials_of(context.connection, row["id"]) if trial.result is not None]
    return min(results) if results else None


def _agents(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(agents).where(agents.c.sweep_id == row["id"]).order_by(agents.c.id)
    return connection("Agent", [Node("Agent", one) for one in all_rows(context.connection, query)], arguments)


def _agent(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    name = str(arguments.get("agentName"))
    found = first(context.connection, select(agents).where(agents.c.sweep_id == row["id"], agents.c.name == name))
    return None if found is None else Node("Agent", found)


def _agent_runs(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = (
        select(run_table)
        .join(attempts, (attempts.c.sweep_id == run_table.c.sweep_id) & (attempts.c.run == run_table.c.name))
        .where(attempts.c.sweep_id == row["sweep_id"], attempts.c.agent == row["name"])
        .order_by(run_table.c.created_at)
    )
    return connection("Run", [Node("Run", one) for one in all_rows(context.connection, query)], arguments)


def _total_runs(context: Context, row: RowMapping, arguments: Arguments) -> int:
    where = (attempts.c.sweep_id == row["sweep_id"], attempts.c.agent == row["name"])
    return int(context.connection.execute(select(func.count()).select_from(attempts).where(*where)).scalar_one())


def _agent_state(context: Context, row: RowMapping, arguments: Arguments) -> str:
    seen = max(row["heartbeat_at"], context.started)
    return "RUNNING" if context.now - seen < context.settings.limits.lease else "CRASHED"


TYPES: Registry[Context] = {
    "Mutation": {
        "upsertSweep": _upsert,
        "createAgent": _create_agent,
        "agentHeartbeat": _heartbeat,
        "deleteSweep": _delete,
    },
    "UpsertSweepPayload": {name: column(name) for name in ("sweep", "configValidationWarnings")},
    "CreateAgentPayload": {"agent": column("agent")},
    "AgentHeartbeatPayload": {"agent": column("agent"), "commands": column("commands")},
    "DeleteSweepPayload": {"success": column("success"), "clientMutationId": column("clientMutationId")},
    "Project": {"sweep": _sweep, "sweeps": _sweeps, "totalSweeps": _total},
    "Sweep": {
        "id": lambda context, row, arguments: encode_id("Sweep", row["id"]),
        "name": column("name"),
        "displayName": column("display_name"),
        "method": lambda context, row, arguments: sweep_of(row["config"]).method,
        "state": column("state"),
        "description": column("description"),
        "config": column("config"),
        "controller": column("controller"),
        "scheduler": column("scheduler"),
        "controllerRunName": constant(None),
        "createdAt": moment("created_at"),
        "updatedAt": moment("updated_at"),
        "heartbeatAt": moment("updated_at"),
        "earlyStopJobRunning": constant(False),
        "bestLoss": _best_loss,
        "project": lambda context, row, arguments: project_by_id(context, row["project_id"]),
        "runs": _runs,
        "runCount": _run_count,
        "runCountExpected": _expected,
        "agents": _agents,
        "agent": _agent,
    },
    "Agent": {
        "id": lambda context, row, arguments: encode_id("Agent", row["id"]),
        "name": column("name"),
        "host": column("host"),
        "state": _agent_state,
        "totalRuns": _total_runs,
        "createdAt": moment("created_at"),
        "heartbeatAt": moment("heartbeat_at"),
        "runs": _agent_runs,
    },
    **connection_types("Sweep"),
    **connection_types("Agent"),
}
