"""Streams: offsets make repeats harmless; restarts, resumes and late copies are told apart."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    again = site.run()
    assert (again["inserted"], again["bucket"]["historyLineCount"]) == (False, 0)
    assert site.state() == "running"
    site.log(0, rows(0, 1, time=50.0))
    assert [row["_timestamp"] for row in site.history()] == [50.0, 51.0]


def test_an_ended_run_that_is_resumed_goes_on(site: Any) -> None:
    site.run()
    site.log(0, rows(0, 1), complete=True, exitcode=1)
    asked = site.ask('{model(name:"p"){bucket(name:"first", missingOk: true){historyLineCount historyTail}}}')
    assert asked["model"]["bucket"]["historyLineCount"] == 2
    assert json.loads(json.loads(asked["model"]["bucket"]["historyTail"])[0])["_step"] == 1
    assert site.run()["bucket"]["historyLineCount"] == 2
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
