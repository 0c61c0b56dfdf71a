"""Streams: offsets make repeats harmless; restarts, resumes and late copies are told apart."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import Site

NUMBERS = itertools.count()


def rows(*steps: int, time: float = 0.0) -> list[dict[str, Any]]:
    return [{"_step": step, "loss": step / 2, "_timestamp": time + step} for step in steps]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pieces_repeated_in_any_manner_give_each_row_once(site: Any, data: st.DataObject) -> None:
    name = f"run{next(NUMBERS)}"
    site.run(name)
    total = data.draw(st.integers(1, 30))
    cuts = sorted({0, total, *data.draw(st.lists(st.integers(0, total), max_size=4))})
    for start, end in itertools.pairwise(cuts):
        for _ in range(data.draw(st.integers(1, 3))):
            site.log(start, rows(*range(start, end)), name)
        if start and data.draw(st.booleans()):
            site.log(0, rows(*range(cuts[1])), name)  # a copy of the first piece that was stuck in the network
    assert [row["_step"] for row in site.history(name)] == list(range(total))
    keys = site.ask('query($n: String!){project(name:"p"){run(name:$n){historyKeys}}}', n=name)
    found = keys["project"]["run"]["historyKeys"]
    assert found["lastStep"] == total - 1
    assert found["keys"]["loss"]["typeCounts"] == [{"type": "number", "count": total}]
    assert found["keys"]["loss"]["previousValue"] == (total - 1) / 2


def test_an_ended_run_that_is_entered_again_starts_over(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1, 2), complete=True, exitcode=0)
    assert site.state() == "finished"
    again = site.run(host="node7")
    assert (again["inserted"], again["bucket"]["historyLineCount"]) == (False, 0)
    assert site.state() == "running"
    site.log(0, rows(0, 1, time=50.0))
    assert [row["_timestamp"] for row in site.history()] == [50.0, 51.0]


def test_what_is_said_of_an_ended_run_by_no_process_that_begins_leaves_its_state_and_results(site: Any) -> None:
    """As `Run.create` of the Api does, whose name may be that of a run."""
    site.run()
    files = {"wandb-summary.json": {"offset": 0, "content": ['{"loss": 1}']}}
    site.stream({"files": files, "complete": True, "exitcode": 0})
    assert site.run(config='{"lr": {"value": 1}}')["inserted"] is False
    found = site.ask('{project(name: "p"){run(name: "first"){state config summaryMetrics}}}')["project"]["run"]
    assert found == {"state": "finished", "config": '{"lr": {"value": 1}}', "summaryMetrics": '{"loss": 1}'}


def test_rows_without_a_time_are_never_taken_for_the_same_rows_again(site: Any) -> None:
    site.run()
    site.log(0, [{"_step": step, "old": step} for step in range(4)])
    site.run(host="node7")
    site.log(0, [{"_step": 0, "new": 1}])
    assert site.history() == [{"_step": 0, "new": 1}]


def test_an_ended_run_that_is_resumed_goes_on(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1), complete=True, exitcode=1)
    asked = site.ask('{model(name:"p"){bucket(name:"first", missingOk: true){id historyLineCount historyTail}}}')
    assert asked["model"]["bucket"]["historyLineCount"] == 2
    assert json.loads(json.loads(asked["model"]["bucket"]["historyTail"])[0])["_step"] == 1
    assert site.run(id=asked["model"]["bucket"]["id"], host="node7")["bucket"]["historyLineCount"] == 2
    site.log(2, rows(2, 3))
    assert [row["_step"] for row in site.history()] == [0, 1, 2, 3]


def test_a_client_that_was_cut_off_for_long_keeps_its_history(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1))
    site.now += 10_000
    assert site.state() == "crashed"
    site.run(config="{}")
    site.log(2, rows(2))
    assert [row["_step"] for row in site.history()] == [0, 1, 2]
    assert site.state() == "running"


def test_a_sync_of_a_run_that_was_killed_online_adds_only_what_is_missing(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1, 2))
    assert site.run()["bucket"]["historyLineCount"] == 3
    site.log(3, rows(0, 1, 2, 3, 4), complete=True, exitcode=0)
    assert [row["_step"] for row in site.history()] == [0, 1, 2, 3, 4]


def test_rows_of_an_earlier_step_at_another_time_are_kept(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1, 2))
    site.log(3, rows(1, 2, 3, time=100.0))
    assert len(site.history()) == 6


def share(site: Any, writer: str, offset: int, rows: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    """What one of the clients that share a run sends."""
    headers = {"X-WANDB-USE-ASYNC-FILESTREAM": "true", "X-WANDB-ASYNC-CLIENT-ID": writer}
    files = {"wandb-summary.json": {"offset": 0, "content": [json.dumps(summary)]}}
    files["wandb-history.jsonl"] = {"offset": offset, "content": [json.dumps(row) for row in rows]}
    answer = site.http.post("/files/kag/p/first/file_stream", json={"files": files}, headers=headers)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("numbered", [True, False])
def test_clients_that_share_a_run_add_to_it(site: Any, numbered: bool) -> None:
    """Newer clients number their own steps, those up to 0.21 leave that to the server; both begin at any line."""

    def logged(name: str, *steps: int) -> list[dict[str, Any]]:
        return [{name: step, **({"_step": step} if numbered else {})} for step in steps]

    site.run()
    for _ in range(2):
        share(site, "chief", 0, logged("a", 0, 1), {"a": 1, "both": "chief"})
        share(site, "worker", 0, logged("b", 0, 1), {"b": 1})
        share(site, "chief", 2, logged("a", 2), {"a": 2})
    share(site, "late", 7, logged("c", 0), {"both": "late"})
    found = site.history()
    assert [row["a"] for row in found if "a" in row] == [0, 1, 2]
    assert [row["b"] for row in found if "b" in row] == [0, 1]
    assert [row["c"] for row in found if "c" in row] == [0]
    assert sorted(row["_step"] for row in found) == ([0, 0, 0, 1, 1, 2] if numbered else [0, 1, 2, 3, 4, 5])
    summary = site.ask('{project(name:"p"){run(name:"first"){summaryMetrics}}}')["project"]["run"]["summaryMetrics"]
    assert json.loads(summary) == {"a": 2, "b": 1, "both": "late"}


def test_the_config_of_a_shared_run_has_the_parts_of_all(site: Any) -> None:
    config = lambda **values: json.dumps({name: {"value": value} for name, value in values.items()})  # noqa: E731
    site.run(config=config(lr=0.1, width=8))
    site.http.headers["X-WANDB-USE-ASYNC-FILESTREAM"] = "true"
    site.http.headers["X-WANDB-CLIENT-ID"] = "worker"
    site.run(config=config(width=9, rank=1))
    found = site.ask('{project(name:"p"){run(name:"first"){config}}}')["project"]["run"]["config"]
    assert found == config(lr=0.1, width=9, rank=1)
    del site.http.headers["X-WANDB-USE-ASYNC-FILESTREAM"]
    site.run(config=config(lr=0.2))
    assert site.ask('{project(name:"p"){run(name:"first"){config}}}')["project"]["run"]["config"] == config(lr=0.2)


def test_a_page_of_a_shared_history_holds_all_rows_of_its_steps(site: Any) -> None:
    site.run()
    for writer in ("one", "two", "three"):
        share(site, writer, 0, [{"_step": step, "x": writer} for step in range(10)], {})
    query = 'query($s: JSONString!){project(name:"p"){run(name:"first"){history(minStep:0,maxStep:5,samples:5)' + (
        " sampledHistory(specs:[$s])}}}"
    )
    spec = json.dumps({"keys": ["_step", "x"], "minStep": 0, "maxStep": 4, "samples": 5})
    found = site.ask(query, s=spec)["project"]["run"]
    assert len(found["history"]) == 15
    assert len(found["sampledHistory"][0]) == 15


def test_output_is_overwritten_line_by_line(site: Any) -> None:
    site.run()
    site.stream({"files": {"output.log": {"offset": 0, "content": ["a\u0000b", "10 %"]}}})
    site.stream({"files": {"output.log": {"offset": 1, "content": ["100 %", "done"]}}})
    page = "logLines(first: 2){edges{node{number line}} pageInfo{hasNextPage endCursor}}"
    query = '{project(name:"p"){run(name:"first"){logLineCount ' + page + "}}}"
    found = site.ask(query)["project"]["run"]
    assert found["logLineCount"] == 3
    assert [edge["node"]["line"] for edge in found["logLines"]["edges"]] == ["a\ufffdb", "100 %"]
    assert found["logLines"]["pageInfo"] == {"hasNextPage": True, "endCursor": "2"}


@pytest.mark.parametrize(
    ("code", "stop", "state"),
    [(0, False, "finished"), (1, False, "failed"), (255, False, "failed"), (143, True, "killed")],
)
def test_the_exit_code_gives_the_state(site: Any, code: int, stop: bool, state: str) -> None:
    identifier = site.run()["bucket"]["id"]
    if stop:
        site.ask("mutation($id: ID!){stopRun(input:{id:$id}){success}}", id=identifier)
        assert site.log(0, rows(0)) == {"stopped": True}
    site.log(0, rows(0), complete=True, exitcode=code)
    assert site.state() == state


def test_silence_is_a_crash_but_not_the_silence_of_the_server(site: Any) -> None:
    site.run()
    site.now += 301
    assert site.state() == "crashed"
    site.restart()
    assert site.state() == "running"
    site.now += 301
    assert site.state() == "crashed"


@pytest.mark.parametrize(
    "body",
    [
        {"files": []},
        {"files": {"wandb-history.jsonl": []}},
        {"files": {"wandb-history.jsonl": {"offset": -1, "content": ["{}"]}}},
        {"files": {"wandb-history.jsonl": {"offset": 2**40, "content": ["{}"]}}},
        {"files": {"wandb-history.jsonl": {"offset": True, "content": ["{}"]}}},
        {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{"]}}},
        {"files": {"wandb-history.jsonl": {"offset": 0, "content": ["[]"]}}},
        {"files": {"wandb-history.jsonl": {"offset": 0, "content": ['{"a":1}', 3]}}},
        {"files": {"wandb-summary.json": {"offset": 0, "content": ["nonsense"]}}},
        {"complete": True},
        {"complete": True, "exitcode": "0"},
    ],
)
def test_a_malformed_request_changes_nothing(site: Any, body: dict[str, Any]) -> None:
    site.run()
    site.log(0, rows(0))
    good = {"wandb-events.jsonl": {"offset": 0, "content": ["{}"]}}
    if isinstance(body.get("files", {}), dict):
        body = {**body, "files": {**good, **body.get("files", {})}}
    answer = site.stream(body)
    assert 400 <= answer.status_code < 500, answer.text
    found = site.ask('{project(name:"p"){run(name:"first"){state historyLineCount eventsLineCount}}}')["project"]["run"]
    assert found == {"state": "running", "historyLineCount": 1, "eventsLineCount": 0}


def test_a_stream_of_an_unknown_run_is_not_found(site: Any) -> None:
    assert site.stream({}, name="nobody").status_code == 404


def test_what_was_silent_while_a_server_that_ends_with_its_users_was_down_is_silent(site: Site, tmp_path: Path) -> None:
    """Of any other server the clients may still be there: they have the usual time to say so."""
    site.run()
    site.now += 3600
    site.restart()
    assert site.state() == "running"
    again = Site(tmp_path, url=f"sqlite:///{site.store.file}", key=site.key, since=0.0)
    again.now = site.now
    again.restart()
    assert again.state() == "crashed"
    query = 'query($f: JSONString){project(name:"p"){runs(filters: $f){edges{node{name}}}}}'
    found = again.ask(query, f='{"state": "crashed"}')["project"]["runs"]["edges"]
    assert [one["node"]["name"] for one in found] == ["first"]
    again.log(0, [{"_step": 0}])
    assert again.state() == "running", "whoever is there after all is heard"
    again.http.close()
    again.store.close()
