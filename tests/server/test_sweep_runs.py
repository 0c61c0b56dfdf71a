"""What becomes of a sweep when its runs log odd numbers, are preempted, stopped, deleted, or were there before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.test_sweeps_again import CONFIG, STATE, attempts
from tests.server.test_sweeps_server import agent, beat, finish, make

SEARCH = """
method: {method}
program: train.py
metric: {{name: score, goal: minimize}}
parameters: {{x: {{min: 0.0, max: 10.0}}}}
{more}
"""
HYPERBAND = "early_terminate: {type: hyperband, min_iter: 1}"
SWEEP = 'query($s: String!){project(name:"p"){sweep(sweepName:$s){state bestLoss runs{edges{node{name state}}}}}}'


def sweep_of(site: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = site.ask(SWEEP, s=name)["project"]["sweep"]
    return found


def states(site: Any, name: str) -> dict[str, str]:
    """State of each run of a sweep."""
    return {one["node"]["name"]: one["node"]["state"] for one in sweep_of(site, name)["runs"]["edges"]}


def log(site: Any, run: str, sweep: str, text: str) -> None:
    """A trial logs its metric, in the history and the summary, as the text stands."""
    site.run(run, sweep=sweep, host="node7")
    files = {
        "wandb-history.jsonl": {"offset": 0, "content": [text]},
        "wandb-summary.json": {"offset": 0, "content": [text]},
    }
    assert site.stream({"files": files}, run).status_code == 200


@pytest.mark.parametrize("score", ["NaN", "-Infinity", "1e999", "9" * 400, '"NaN"', '"high"', "{}", "null", "[1]"])
@pytest.mark.parametrize(("method", "more"), [("random", HYPERBAND), ("bayes", "")])
def test_no_value_of_a_trial_stops_its_sweep(site: Any, method: str, more: str, score: str) -> None:
    sweep = make(site, SEARCH.format(method=method, more=more))
    one, other = agent(site, sweep), agent(site, sweep)
    odd = beat(site, one)[0]["run_id"]
    log(site, odd, sweep["name"], f'{{"score": {score}}}')
    beat(site, one, odd)
    site.stream({"complete": True, "exitcode": 0}, odd)
    for value in range(9):
        run = beat(site, other)[0]["run_id"]
        log(site, run, sweep["name"], json.dumps({"score": value + 1}))
        beat(site, other, run)
        site.stream({"complete": True, "exitcode": 0}, run)
        site.now += 5
    site.restart()
    assert beat(site, one)[0]["type"] == "run"
    assert sweep_of(site, sweep["name"])["bestLoss"] == 1.0
    site.ask(STATE, input={"id": sweep["id"], "state": "CANCELED"})
    assert beat(site, one)[-1]["type"] == "exit"


def test_a_point_is_never_given_up_because_its_machines_are_taken_away(site: Any) -> None:
    sweep = make(site, CONFIG)
    one = agent(site, sweep)
    seen = []
    for number in range(30):
        run = beat(site, one)[0]["run_id"]
        seen.append(run)
        log(site, run, sweep["name"], '{"score": 1}')
        beat(site, one, run)
        site.stream({"preempting": True}, run)
        if number % 2:  # else the process is gone before it can say how it ended
            site.stream({"complete": True, "exitcode": 1}, run)
        site.now += 5
    assert len(set(seen)) == 30
    assert {run.split("-")[1] for run in seen} == {"0000"}
    assert set(states(site, sweep["name"]).values()) == {"preempted"}
    assert len(attempts(site, sweep, one, 0)) == 2
    assert sweep_of(site, sweep["name"])["state"] == "FINISHED"


@pytest.mark.parametrize("told", [True, False])
def test_a_run_whose_agent_says_that_it_is_gone_is_not_shown_as_running(site: Any, told: bool) -> None:
    """An agent that is told to stop a run kills it: it cannot say itself how it ended."""
    sweep = make(site, CONFIG)
    one = agent(site, sweep)
    run = beat(site, one)[0]["run_id"]
    log(site, run, sweep["name"], '{"score": 1}')
    assert beat(site, one, run) == []
    if told:
        site.ask(STATE, input={"id": sweep["id"], "state": "CANCELED"})
        assert beat(site, one, run) == [{"type": "stop", "run_id": run}]
    beat(site, one)
    assert states(site, sweep["name"])[run] == ("killed" if told else "crashed")


def test_last_lines_that_come_late_say_how_the_run_ended(site: Any) -> None:
    sweep = make(site, CONFIG)
    one = agent(site, sweep)
    run = beat(site, one)[0]["run_id"]
    log(site, run, sweep["name"], '{"score": 1}')
    beat(site, one, run)
    beat(site, one)
    site.stream({"complete": True, "exitcode": 0}, run)
    assert states(site, sweep["name"])[run] == "finished"


def test_the_point_of_a_deleted_trial_runs_again(site: Any) -> None:
    sweep = make(site, CONFIG)
    name = sweep["name"]
    assert attempts(site, sweep, agent(site, sweep), 0) == [f"{name}-0000", f"{name}-0001"]
    number = site.ask('query($n: String!){project(name:"p"){run(name:$n){id}}}', n=f"{name}-0001")
    delete = "mutation($i: ID!){deleteRun(input:{id:$i}){success}}"
    site.ask(delete, i=number["project"]["run"]["id"])
    assert beat(site, agent(site, sweep)) == [{"type": "exit"}]
    site.ask(STATE, input={"id": sweep["id"], "state": "RUNNING"})
    assert attempts(site, sweep, agent(site, sweep), 0) == [f"{name}-0001-2"]
    assert states(site, name) == {f"{name}-0000": "finished", f"{name}-0001-2": "finished"}


def prior(site: Any, config: str, *names: str) -> Any:
    query = "mutation($input: X!){upsertSweep(input:$input){sweep{id name state} configValidationWarnings}}"
    filters = json.dumps({"$or": [{"name": name} for name in names]})
    given = {"config": config, "projectName": "p", "priorRunsFilters": filters}
    return site.post(query, input=given).json()


def before(site: Any, name: str, x: Any, score: Any) -> None:
    """A run that no sweep has given out."""
    site.run(name, config=json.dumps({"x": {"value": x}}))
    files = {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"score": score})]}}
    site.stream({"files": files, "complete": True, "exitcode": 0}, name)


def test_a_search_begins_with_what_prior_runs_have_shown(site: Any) -> None:
    """Twelve runs show that only the left end is good; a search that knows them stays there from its first point on."""
    names = [f"old{place}" for place in range(12)]
    for place, name in enumerate(names):
        before(site, name, place * 0.8, float(place > 2) * 100 + place)
    before(site, "outside", 99.0, -5.0)
    config = SEARCH.format(method="bayes", more="")
    made = prior(site, config, *names, "outside")["data"]["upsertSweep"]["sweep"]
    assert set(states(site, made["name"])) == {*names, "outside"}
    assert sweep_of(site, made["name"])["bestLoss"] == 0.0
    one = agent(site, made)
    drawn = []
    for _ in range(6):
        command = beat(site, one)[0]
        drawn.append(command["args"]["x"]["value"])
        log(site, command["run_id"], made["name"], '{"score": 1}')
        site.stream({"complete": True, "exitcode": 0}, command["run_id"])
        site.now += 5
    assert sum(x < 4.0 for x in drawn) >= 4, drawn


def test_a_grid_does_not_run_again_what_a_prior_run_has_done(site: Any) -> None:
    before(site, "old", 2, 0.5)
    made = prior(site, CONFIG, "old")["data"]["upsertSweep"]["sweep"]
    one = agent(site, made)
    command = beat(site, one)[0]
    assert command["args"] == {"x": {"value": 1}}
    finish(site, command["run_id"], made)
    assert beat(site, one) == [{"type": "exit"}]


@pytest.mark.parametrize("method", ["grid", "random"])
def test_a_prior_run_does_not_count_among_the_trials_that_a_sweep_may_have(site: Any, method: str) -> None:
    before(site, "old", 2, 0.5)
    made = prior(site, CONFIG.replace("grid", method) + "run_cap: 1\n", "old")["data"]["upsertSweep"]["sweep"]
    one = agent(site, made)
    finish(site, beat(site, one)[0]["run_id"], made)
    assert beat(site, one) == [{"type": "exit"}]


def test_prior_runs_of_a_begun_sweep_come_behind_its_trials_and_living_ones_are_refused(site: Any) -> None:
    made = make(site, CONFIG)
    one = agent(site, made)
    command = beat(site, one)[0]
    log(site, command["run_id"], made["name"], '{"score": 1}')
    query = "mutation($input: X!){upsertSweep(input:$input){sweep{id}}}"
    adopted = {"id": made["id"], "priorRunsFilters": json.dumps({"name": "old"})}
    before(site, "old", 2, 0.5)
    for _ in range(2):
        site.ask(query, input=adopted)
    assert states(site, made["name"]) == {command["run_id"]: "running", "old": "finished"}
    living = {"config": CONFIG, "projectName": "p", "priorRunsFilters": json.dumps({"name": command["run_id"]})}
    assert "is running" in site.post(query, input=living).json()["errors"][0]["message"]
    finish(site, command["run_id"], made)
    assert beat(site, one) == [{"type": "exit"}], "both points are done, each once"


@pytest.mark.parametrize("odd", ['{"$or": 5}', '{"$or": [5]}', "[]"])
def test_filters_for_prior_runs_that_are_none_are_refused(site: Any, odd: str) -> None:
    given = {"config": CONFIG, "projectName": "p", "priorRunsFilters": odd}
    answer = site.post("mutation($input: X!){upsertSweep(input:$input){sweep{id}}}", input=given)
    assert answer.status_code < 500
    assert answer.json()["errors"]


def test_a_run_of_a_sweep_that_is_not_there_is_refused(site: Any) -> None:
    query = "mutation($input: UpsertBucketInput!){upsertBucket(input: $input){inserted}}"
    answer = site.post(query, input={"name": "r", "modelName": "p", "sweep": "nowhere"})
    assert "nowhere" in answer.json()["errors"][0]["message"]


def test_a_prior_run_that_is_not_there_is_refused(site: Any) -> None:
    before(site, "old", 2, 0.5)
    assert "nowhere" in prior(site, CONFIG, "old", "nowhere")["errors"][0]["message"]
    assert site.ask('{project(name:"p"){sweeps{edges{node{name}}}}}')["project"]["sweeps"]["edges"] == []
