"""Sweeps over GraphQL: what agents are told, over restarts, from several agents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kag.server.faults import Refused
from kag.server.sweeps import sweep_of

CONFIG = """
method: grid
program: train.py
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2.0, "3", true]}}
"""


def make(site: Any, config: str = CONFIG) -> dict[str, Any]:
    query = "mutation($input: X!){upsertSweep(input:$input){sweep{id name state} configValidationWarnings}}"
    found: dict[str, Any] = site.ask(query, input={"config": config, "projectName": "p"})["upsertSweep"]["sweep"]
    return found


def agent(site: Any, sweep: dict[str, Any]) -> str:
    query = 'mutation($s: String!){createAgent(input:{host:"h",projectName:"p",sweep:$s}){agent{id}}}'
    return str(site.ask(query, s=sweep["name"])["createAgent"]["agent"]["id"])


def beat(site: Any, identifier: str, *running: str) -> list[dict[str, Any]]:
    query = (
        'mutation($i: ID!, $r: JSONString){agentHeartbeat(input:{id:$i,metrics:"{}",runState:$r}){agent{id} commands}}'
    )
    state = json.dumps(dict.fromkeys(running, True))
    found: list[dict[str, Any]] = json.loads(site.ask(query, i=identifier, r=state)["agentHeartbeat"]["commands"])
    return found


def finish(site: Any, run: str, sweep: dict[str, Any], code: int = 0, score: float = 1.0) -> None:
    site.run(run, sweep=sweep["name"])
    words = {
        "complete": True,
        "exitcode": code,
        "files": {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"score": score})]}},
    }
    assert site.stream(words, run).status_code == 200


def test_values_reach_the_agent_with_their_type_and_the_sweep_ends(site: Any) -> None:
    sweep = make(site)
    one = agent(site, sweep)
    seen = []
    while (command := beat(site, one)[0])["type"] == "run":
        seen.append(command["args"]["x"]["value"])
        assert command["program"] == "train.py"
        finish(site, command["run_id"], sweep, score=len(seen))
        site.now += 5
    assert command == {"type": "exit"}
    assert [(type(value), value) for value in seen] == [(int, 1), (float, 2.0), (str, "3"), (bool, True)]
    query = 'query($s: String!){project(name:"p"){sweep(sweepName:$s){state bestLoss runCount runCountExpected}}}'
    found = site.ask(query, s=sweep["name"])["project"]["sweep"]
    assert found == {"state": "FINISHED", "bestLoss": -4.0, "runCount": 4, "runCountExpected": 4}


def test_leases_outlive_a_restart_and_its_silence(site: Any) -> None:
    sweep = make(site)
    one, two = agent(site, sweep), agent(site, sweep)
    run = beat(site, one)[0]["run_id"]
    beat(site, one, run)
    site.now += 1000
    site.restart()
    assert beat(site, two)[0]["run_id"] != run, "the first point is still leased"
    assert beat(site, one, run) == []
    site.now += 61
    three = agent(site, sweep)
    assert beat(site, three)[0]["run_id"] == f"{run}-2"


def stopped(site: Any, run: str) -> bool:
    found = site.ask('query($r: String!){project(name:"p"){run(name:$r){stopped}}}', r=run)["project"]["run"]
    return bool(found["stopped"])


def test_a_run_that_is_asked_to_stop_is_told_so_while_it_runs(site: Any) -> None:
    identifier = site.run()["bucket"]["id"]
    assert not stopped(site, "first")
    site.ask("mutation($i: ID!){stopRun(input:{id:$i}){success}}", i=identifier)
    assert stopped(site, "first")
    assert site.state() == "running"
    assert site.log(0, [{"_step": 0}]) == {"stopped": True}


def test_a_superseded_run_is_told_to_stop_by_its_stream(site: Any) -> None:
    sweep = make(site)
    one, two = agent(site, sweep), agent(site, sweep)
    run = beat(site, one)[0]["run_id"]
    site.run(run, sweep=sweep["name"])
    assert site.log(0, [{"_step": 0}], run) == {}
    site.now += 61
    assert beat(site, two)[0]["run_id"] == f"{run}-2"
    assert site.log(1, [{"_step": 1}], run) == {"stopped": True}
    assert stopped(site, run), "clients up to 0.21 ask over GraphQL"
    assert beat(site, one, run) == [{"type": "stop", "run_id": run}]


def test_a_heartbeat_of_a_deleted_sweep_is_a_404(site: Any) -> None:
    sweep = make(site)
    one = agent(site, sweep)
    site.ask("mutation($i: ID!){deleteSweep(input:{id:$i}){success}}", i=sweep["id"])
    query = "mutation($i: ID!){agentHeartbeat(input:{id:$i}){commands}}"
    assert site.post(query, i=one).status_code == 404


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[]",
        "method: grid",
        "a: &a [1]\nb: *a",
        "!!python/object/apply:os.system ['true']",
        "x: 2020-01-01",
        "[" * 3000,
        "a: b: c",
    ],
)
def test_a_config_that_is_no_sweep_is_refused(site: Any, config: str) -> None:
    answer = site.post('mutation($c: String){upsertSweep(input:{config:$c,projectName:"p"}){sweep{id}}}', c=config)
    assert answer.json()["errors"]
    assert "failed" not in answer.text


@pytest.mark.parametrize("levels", ["[", "- ", "? ", "{a: ["])
def test_a_config_that_is_nested_too_deeply_is_refused(site: Any, levels: str) -> None:
    query = 'mutation($c: String){upsertSweep(input:{config:$c,projectName:"p"}){sweep{id}}}'
    assert "100 levels" in site.post(query, c=levels * 3000).text


def test_a_config_of_brackets_is_refused_before_it_is_parsed(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To parse them takes the square of their number."""
    monkeypatch.setattr("kag.server.sweeps.yaml.load", None)
    with pytest.raises(Refused, match="100 levels"):
        sweep_of("x: " + "[{a: " * 51)


def test_the_space_of_a_begun_sweep_is_fixed_and_a_canceled_one_stays_so(site: Any) -> None:
    sweep = make(site)
    query = "mutation($input: X!){upsertSweep(input:$input){sweep{state config}}}"
    site.ask(query, input={"id": sweep["id"], "config": CONFIG.replace("true]", "true, 5]")})
    beat(site, agent(site, sweep))
    assert "fixed" in site.post(query, input={"id": sweep["id"], "config": CONFIG}).json()["errors"][0]["message"]
    site.ask(query, input={"id": sweep["id"], "state": "CANCELED"})
    assert "canceled" in site.post(query, input={"id": sweep["id"], "state": "RUNNING"}).json()["errors"][0]["message"]
    assert site.post(query, input={"id": sweep["id"], "state": "DANCING"}).status_code == 400


def test_hyperband_stops_within_one_poll_of_the_values(site: Any) -> None:
    sweep = make(site, CONFIG + "early_terminate: {type: hyperband, min_iter: 3}\n")
    agents = [agent(site, sweep) for _ in range(3)]
    runs = [beat(site, one)[0]["run_id"] for one in agents]
    for number, run in enumerate(runs):
        site.run(run, sweep=sweep["name"])
        site.log(0, [{"_step": step, "score": number} for step in range(4)], run)
    assert beat(site, agents[2], runs[2]) == []
    assert beat(site, agents[0], runs[0]) == [{"type": "stop", "run_id": runs[0]}]
    assert site.log(4, [{"_step": 4, "score": 0}], runs[0]) == {"stopped": True}


def test_an_agent_leaves_when_living_agents_hold_all_that_is_left_and_stays_for_one_that_fell_silent(site: Any) -> None:
    sweep = make(site)
    holders = [agent(site, sweep) for _ in range(4)]
    for one in holders:
        (command,) = beat(site, one)
        site.run(command["run_id"], sweep=sweep["name"])
        beat(site, one, command["run_id"])
    names = [f"{sweep['name']}-{number:04d}" for number in range(4)]
    late = agent(site, sweep)
    assert beat(site, late) == [], "one of them may have been killed just before, and this one be there in its place"
    site.now += 5
    for one, name in zip(holders, names, strict=True):
        beat(site, one, name)
    assert beat(site, late) == [{"type": "exit"}]
    later = agent(site, sweep)
    site.now += site.settings.limits.lease - 1
    for one, name in list(zip(holders, names, strict=True))[:3]:
        beat(site, one, name)
    site.now += 2
    site.stream({"files": {}}, names[3])
    assert beat(site, later) == [], "the run goes on, and nobody would try again what it may fail at"
    for name in names:
        site.stream({"complete": True, "exitcode": 0}, name)
    assert beat(site, holders[0]) == [{"type": "exit"}]
    query = 'query($s: String!){project(name:"p"){sweep(sweepName:$s){state}}}'
    assert site.ask(query, s=sweep["name"])["project"]["sweep"]["state"] == "FINISHED"
