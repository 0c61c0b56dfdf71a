"""Attempts whose processes are known to be gone: their points go to the next agent at once."""

from __future__ import annotations

import json
from typing import Any

from kag.server.interrupted import interrupt
from kag.sweep import Limits
from tests.server.conftest import Site

CONFIG = json.dumps({"method": "grid", "metric": {"name": "loss"}, "parameters": {"lr": {"values": [1, 2]}}})


def agent_of(site: Site, sweep: str) -> str:
    """A new agent; its id."""
    query = "mutation($input: CreateAgentInput!) { createAgent(input: $input) { agent { id } } }"
    made = site.ask(query, input={"host": "h", "sweep": sweep, "entityName": "kag", "projectName": "p"})
    return str(made["createAgent"]["agent"]["id"])


def beat(site: Site, agent: str, running: dict[str, bool]) -> list[dict[str, Any]]:
    """A heartbeat; the commands."""
    query = "mutation($input: AgentHeartbeatInput!) { agentHeartbeat(input: $input) { commands } }"
    answer = site.ask(query, input={"id": agent, "metrics": "{}", "runState": json.dumps(running)})
    found: list[dict[str, Any]] = json.loads(answer["agentHeartbeat"]["commands"])
    return found


def test_an_interrupted_point_waits_for_no_lease_and_one_that_has_ended_keeps_its_end(site: Site) -> None:
    query = "mutation($input: UpsertSweepInput!) { upsertSweep(input: $input) { sweep { name } } }"
    given = {"config": CONFIG, "entityName": "kag", "projectName": "p"}
    sweep = site.ask(query, input=given)["upsertSweep"]["sweep"]["name"]
    first, second = agent_of(site, sweep), agent_of(site, sweep)
    (cut,), (done,) = beat(site, first, {}), beat(site, second, {})
    for command in (cut, done):
        site.run(command["run_id"], sweep=sweep)
    assert site.stream({"complete": True, "exitcode": 0}, done["run_id"]).status_code == 200
    with site.store.write() as connection:
        interrupt(connection, [cut["run_id"], done["run_id"], "of nobody"], now=site.now, limits=Limits())
    assert (site.state(cut["run_id"]), site.state(done["run_id"])) == ("preempted", "finished")
    (again,) = beat(site, agent_of(site, sweep), {})
    assert (again["type"], again["args"]) == ("run", cut["args"])
    assert again["run_id"] != cut["run_id"]


def test_an_attempt_that_never_reached_the_server_is_given_back_too(site: Site) -> None:
    query = "mutation($input: UpsertSweepInput!) { upsertSweep(input: $input) { sweep { name } } }"
    sweep = site.ask(query, input={"config": CONFIG, "entityName": "kag", "projectName": "p"})["upsertSweep"]["sweep"]
    (cut,) = beat(site, agent_of(site, sweep["name"]), {})
    with site.store.write() as connection:
        interrupt(connection, [cut["run_id"]], now=site.now, limits=Limits())
    (again,) = beat(site, agent_of(site, sweep["name"]), {})
    assert again["args"] == cut["args"]
