"""How runs begin, by what unmodified clients send: a process that begins names its host, one that resumes its run."""

from __future__ import annotations

import json
from typing import Any

import pytest

ASKED = '{model(name:"p"){bucket(name:"first", missingOk: true){id historyLineCount summaryMetrics}}}'
DELETE = "mutation($input: DeleteRunInput!){deleteRun(input: $input){success}}"
LINES = '{project(name:"p"){run(name:"first"){logLines(first: 50){edges{node{line}}} events}}}'


def rows(name: str, *steps: int) -> list[dict[str, Any]]:
    return [{name: step, "_step": step, "_timestamp": ord(name) * 1000.0 + step} for step in steps]


def values(site: Any, run: str = "first") -> list[tuple[int, Any]]:
    """Step and what was logged there, of every row."""
    return [(row["_step"], {key: value for key, value in row.items() if key[0] != "_"}) for row in site.history(run)]


def summary(site: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.ask(ASKED)["model"]["bucket"]["summaryMetrics"])
    return found


def begin_again(site: Any, **words: Any) -> int:
    """A process begins a run of the same name; the line from which it is told to go on."""
    return int(site.run(host="node7", **words)["bucket"]["historyLineCount"])


@pytest.mark.parametrize("ending", [{}, {"complete": True, "exitcode": 1}], ids=["killed", "failed"])
@pytest.mark.parametrize("asked_before", [False, True])
def test_the_same_id_begun_anew_has_the_new_history_alone(
    site: Any, ending: dict[str, Any], asked_before: bool
) -> None:
    site.run(host="node7")
    site.log(0, rows("a", 0, 1, 2, 3), **ending)
    site.stream({"files": {"output.log": {"offset": 0, "content": ["start", "old", "older"]}}})
    site.stream({"files": {"wandb-summary.json": {"offset": 0, "content": ['{"a": 3, "best": 1}']}}})
    if asked_before:
        site.ask(ASKED)  # `resume="never"`, which the client then refuses
    assert begin_again(site) == 0
    assert summary(site) == {}
    assert len(values(site)) == 4, "nothing is removed before there is something new"
    site.stream({"files": {"output.log": {"offset": 0, "content": ["start"]}}})
    site.log(0, rows("b", 0))
    site.log(0, rows("b", 0))
    assert values(site) == [(0, {"b": 0})]
    assert [one["node"]["line"] for one in site.ask(LINES)["project"]["run"]["logLines"]["edges"]] == ["start"]


def test_a_question_changes_nothing(site: Any) -> None:
    site.run(host="node7")
    site.log(0, rows("a", 0))
    before = site.ask(ASKED)
    for _ in range(3):
        assert site.ask(ASKED) == before
    site.log(1, rows("a", 1))
    assert [step for step, _ in values(site)] == [0, 1]


def test_a_live_client_that_tells_its_config_later_goes_on(site: Any) -> None:
    site.run(host="node7", config='{"lr": {"value": 1}}')
    site.log(0, rows("a", 0, 1))
    site.run(config='{"lr": {"value": 2}}')
    site.log(2, rows("a", 2))
    assert [step for step, _ in values(site)] == [0, 1, 2]


def test_a_sync_of_what_a_killed_process_left_takes_nothing_away(site: Any) -> None:
    """The disk of the process holds fewer rows than it had sent, and begins with the same ones."""
    site.run(host="node7")
    site.log(0, rows("a", 0, 1, 2, 3))
    assert begin_again(site) == 0
    site.log(0, rows("a", 0, 1), complete=True, exitcode=0)
    assert [step for step, _ in values(site)] == [0, 1, 2, 3]
    keys = site.ask('{project(name:"p"){run(name:"first"){historyKeys}}}')["project"]["run"]["historyKeys"]
    assert (keys["lastStep"], keys["keys"]["a"]["typeCounts"]) == (3, [{"type": "number", "count": 4}])


def shared(site: Any, writer: str, offset: int, found: list[dict[str, Any]], **words: Any) -> None:
    """A client in W&B's shared mode enters the run and logs."""
    headers = {"X-WANDB-USE-ASYNC-FILESTREAM": "true", "X-WANDB-ASYNC-CLIENT-ID": writer}
    site.http.headers.update(headers)
    site.run(host="node7", config=json.dumps({writer: {"value": 1}}))
    files = {
        "wandb-history.jsonl": {"offset": offset, "content": [json.dumps(row) for row in found]},
        "output.log": {"offset": 0, "content": [f"{writer} says"]},
    }
    site.stream({"files": files, **words})
    for name in headers:
        del site.http.headers[name]


@pytest.mark.parametrize("between", [0.0, 10_000.0])
def test_a_writer_that_joins_a_shared_run_takes_nothing_away(site: Any, between: float) -> None:
    shared(site, "one", 0, rows("a", 0, 1), complete=True, exitcode=0)
    site.now += between
    shared(site, "two", 0, rows("b", 0, 1, 2), complete=True, exitcode=0)
    shared(site, "one", 2, rows("a", 2))
    found = [row for _, row in values(site)]
    assert sorted(row["a"] for row in found if "a" in row) == [0, 1, 2]
    assert sorted(row["b"] for row in found if "b" in row) == [0, 1, 2]
    config = site.ask('{project(name:"p"){run(name:"first"){config}}}')["project"]["run"]["config"]
    assert json.loads(config) == {"one": {"value": 1}, "two": {"value": 1}}
    said = [one["node"]["line"] for one in site.ask(LINES)["project"]["run"]["logLines"]["edges"]]
    assert said == ["one says", "two says"]


def branch(run: str, step: Any) -> str:
    return json.dumps({"_wandb": {"value": {"branch_point": {"run_id": run, "step": step}}}})


def test_a_fork_begins_with_the_rows_of_its_parent(site: Any) -> None:
    site.run("parent", host="node7")
    site.log(0, rows("a", 0, 1, 2, 3), "parent")
    made = site.run("child", host="node7", config=branch("parent", 2))
    assert made["bucket"]["historyLineCount"] == 3
    site.log(3, rows("b", 3), "child")
    assert values(site, "child") == [(0, {"a": 0}), (1, {"a": 1}), (2, {"a": 2}), (3, {"b": 3})]
    assert len(values(site, "parent")) == 4
    keys = site.ask('{project(name:"p"){run(name:"child"){historyKeys}}}')["project"]["run"]["historyKeys"]
    assert (keys["lastStep"], keys["keys"]["a"]["typeCounts"]) == (3, [{"type": "number", "count": 3}])


@pytest.mark.parametrize("parent", ["nowhere", None, {"x": 1}])
def test_a_fork_of_nothing_is_refused_and_makes_no_run(site: Any, parent: Any) -> None:
    query = "mutation($input: UpsertBucketInput!) {upsertBucket(input: $input) {bucket {id}}}"
    answer = site.post(query, input={"name": "child", "modelName": "p", "host": "h", "config": branch(parent, 2)})
    assert "forked" in answer.json()["errors"][0]["message"]
    assert site.ask('{project(name:"p"){run(name:"child"){id}}}') in ({"project": None}, {"project": {"run": None}})


REWIND = """mutation($step: Float!, $metric: String!){rewindRun(input: {runName: "first", projectName: "p",
entityName: "kag", metricName: $metric, metricValue: $step}){rewoundRun{
id name config historyLineCount project{name entity{name}}}}}"""


def test_a_run_is_taken_back_to_a_step(site: Any) -> None:
    site.run(host="node7")
    site.log(0, [*rows("a", 0, 1, 2), {"late": 7, "_step": 3}], complete=True, exitcode=0)
    back = site.ask(REWIND, step=1, metric="_step")["rewindRun"]["rewoundRun"]
    assert (back["name"], back["historyLineCount"], site.state()) == ("first", 2, "running")
    assert {key: value for key, value in summary(site).items() if key[0] != "_"} == {"a": 1}
    site.log(2, rows("b", 2))
    assert values(site) == [(0, {"a": 0}), (1, {"a": 1}), (2, {"b": 2})]
    assert "_step only" in site.post(REWIND, step=1, metric="loss").json()["errors"][0]["message"]


def test_what_is_deleted_is_deleted_once(site: Any) -> None:
    """A number that is free again would name a newer run."""
    first = site.run()["bucket"]["id"]
    link = site.ask(
        'mutation{createRunFiles(input:{projectName:"p",runName:"first",files:["a.txt"]}){files{uploadUrl}}}'
    )["createRunFiles"]["files"][0]["uploadUrl"]
    for _ in range(2):
        assert site.ask(DELETE, input={"id": first})["deleteRun"]["success"]
        site.run("newer")
    assert site.http.put(link.removeprefix("http://testserver"), content=b"x").status_code == 404
    found = site.ask('{project(name:"p"){runs{edges{node{name fileCount}}}}}')["project"]["runs"]["edges"]
    assert [one["node"] for one in found] == [{"name": "newer", "fileCount": 0}]


def test_a_run_that_is_deleted_while_it_logs_stays_deleted(site: Any) -> None:
    number = site.run(host="node7")["bucket"]["id"]
    site.log(0, rows("a", 0))
    site.ask(DELETE, input={"id": number})
    assert site.stream({"files": {}}).status_code == 404
    query = "mutation($input: UpsertBucketInput!) {upsertBucket(input: $input) {bucket {id}}}"
    for words in ({}, {"id": number, "host": "node7"}):
        said = site.post(query, input={"name": "first", "modelName": "p", **words}).json()["errors"][0]["message"]
        assert "delete" in said or "no such run" in said
    assert site.ask(ASKED)["model"]["bucket"] is None
    assert begin_again(site) == 0, "a process that begins under the name makes a run of its own"
    assert values(site) == []


@pytest.mark.parametrize(("code", "state"), [(0, "finished"), (1, "preempted")])
def test_a_run_whose_machine_is_taken_away(site: Any, code: int, state: str) -> None:
    site.run(host="node7")
    site.stream({"preempting": True, "files": {}})
    site.log(0, rows("a", 0))
    assert site.state() == "preempting"
    site.log(1, rows("a", 1), complete=True, exitcode=code)
    assert site.state() == state


def test_a_preempting_run_that_falls_silent_is_preempted(site: Any) -> None:
    site.run(host="node7")
    site.stream({"preempting": True})
    site.now += 10_000
    assert site.state() == "preempted"


PAGE = """query($cursor: String, $order: String){project(name:"p"){runs(first: 3, after: $cursor, order: $order){
edges{node{id name}} pageInfo{hasNextPage endCursor}}}}"""


@pytest.mark.parametrize(
    "order", ["", "+created_at", "-created_at", "-summary_metrics.x", "+config.word.value", "-name"]
)
def test_who_deletes_what_a_list_shows_sees_each_run_once(site: Any, order: str) -> None:
    for place in range(11):
        site.run(f"r{place:02}", config=json.dumps({"word": {"value": "ab" * (place % 4)}}))
        site.stream(
            {"files": {"wandb-summary.json": {"offset": 0, "content": [f'{{"x": {place % 5}}}']}}}, f"r{place:02}"
        )
        site.now += 1
    whole = [one["node"]["name"] for one in _page(site, order, None, first=100)["edges"]]
    seen: list[str] = []
    cursor, more = None, True
    while more:
        found = _page(site, order, cursor)
        for one in found["edges"]:
            seen.append(one["node"]["name"])
            site.ask(DELETE, input={"id": one["node"]["id"]})
        cursor, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert seen == whole


def _page(site: Any, order: str, cursor: str | None, first: int = 3) -> Any:
    return site.ask(PAGE.replace("first: 3", f"first: {first}"), order=order, cursor=cursor)["project"]["runs"]
