"""A search of start and window of weight averaging, made by the server's own engine: asked for as an agent asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Ask = Callable[..., dict[str, Any]]
Stream = Callable[[str, dict[str, Any]], Any]

CONFIG = """
name: windows
description: start and window of weight averaging
method: grid
metric: {name: val/auprc, goal: maximize}
parameters:
  swa.start: {values: [2, 3, 4]}
  swa.window: {values: [1, 2]}
"""

UPSERT = "mutation($i: UpsertSweepInput!) { upsertSweep(input: $i) { sweep { name } } }"
AGENT = "mutation($i: CreateAgentInput!) { createAgent(input: $i) { agent { id } } }"
BEAT = "mutation($i: AgentHeartbeatInput!) { agentHeartbeat(input: $i) { commands } }"
RUN = "mutation($i: UpsertBucketInput!) { upsertBucket(input: $i) { bucket { id } } }"


def start(ask: Ask, project: str) -> str:
    """A new sweep; its id."""
    made = ask(UPSERT, i={"config": CONFIG, "projectName": project, "entityName": "kag"})
    return str(made["upsertSweep"]["sweep"]["name"])


def search(ask: Ask, stream: Stream, project: str, sweep: str, trials: int) -> None:
    """Take so many points and report a value of each.

    Args:
        ask: sends a GraphQL operation with its variables; the data.
        stream: sends what a run logs: run, body.
        project: of the sweep.
        sweep: its id.
        trials: points to take.
    """
    given = {"sweep": sweep, "projectName": project, "entityName": "kag", "host": "bench"}
    agent = ask(AGENT, i=given)["createAgent"]["agent"]["id"]
    for _ in range(trials):
        (command,) = _commands(ask, agent, {})
        run, params = command["run_id"], {key: one["value"] for key, one in command["args"].items()}
        config = json.dumps({key: {"value": value} for key, value in params.items()})
        ask(RUN, i={"name": run, "modelName": project, "entityName": "kag", "sweep": sweep, "config": config})
        stream(run, {"files": _files(params), "complete": True, "exitcode": 0})
    _commands(ask, agent, {})


def _commands(ask: Ask, agent: str, states: Mapping[str, bool]) -> list[dict[str, Any]]:
    answer = ask(BEAT, i={"id": agent, "runState": json.dumps(states), "metrics": "{}"})
    found = json.loads(answer["agentHeartbeat"]["commands"])
    return [command for command in found if command["type"] == "run"]


def _files(params: Mapping[str, Any]) -> dict[str, Any]:
    value = 0.4 + 0.02 * params["swa.window"] - 0.01 * abs(params["swa.start"] - 3)
    rows = [{"_step": i, "val/auprc": value - 0.05 + 0.05 * i} for i in range(2)]
    return {
        "wandb-history.jsonl": {"offset": 0, "content": [json.dumps(row) for row in rows]},
        "wandb-summary.json": {"offset": 0, "content": [json.dumps({"val/auprc": value})]},
    }
