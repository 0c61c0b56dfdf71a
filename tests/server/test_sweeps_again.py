"""Points that come again: after a signal, and when an ended sweep is resumed."""

from __future__ import annotations

from typing import Any

from tests.server.test_sweeps_server import agent, beat, finish, make

CONFIG = """
method: grid
program: train.py
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2]}}
"""

STATE = "mutation($input: X!){upsertSweep(input:$input){sweep{state}}}"


def attempts(site: Any, sweep: dict[str, Any], one: str, code: int) -> list[str]:
    """Let every run end with a code until the agent is sent home; the runs."""
    runs = []
    while (command := beat(site, one)[0])["type"] == "run":
        runs.append(command["run_id"])
        finish(site, command["run_id"], sweep, code)
        site.now += 5
    return runs


def test_a_run_that_a_signal_ended_is_no_failure(site: Any) -> None:
    sweep = make(site, CONFIG)
    one = agent(site, sweep)
    for number in range(5):
        run = beat(site, one)[0]["run_id"]
        assert run == f"{sweep['name']}-0000" + (f"-{number + 1}" if number else "")
        finish(site, run, sweep, 143)
        site.now += 5
    assert len(attempts(site, sweep, one, 0)) == 2


def test_resuming_an_ended_sweep_tries_its_failed_points_again(site: Any) -> None:
    sweep = make(site, CONFIG)
    name = sweep["name"]
    assert attempts(site, sweep, agent(site, sweep), 1) == [
        f"{name}-000{point}{suffix}" for suffix in ("", "-2", "-3") for point in (0, 1)
    ]
    assert beat(site, agent(site, sweep)) == [{"type": "exit"}]
    found = site.ask(STATE, input={"id": sweep["id"], "state": "RUNNING"})
    assert found["upsertSweep"]["sweep"]["state"] == "RUNNING"
    assert attempts(site, sweep, agent(site, sweep), 0) == [f"{name}-0000-4", f"{name}-0001-4"]
    site.ask(STATE, input={"id": sweep["id"], "state": "RUNNING"})
    assert beat(site, agent(site, sweep)) == [{"type": "exit"}], "what has finished stays finished"
