"""A point of a sweep whose attempts are lost: the server sees by their rows whether they come farther."""

from __future__ import annotations

import json
from typing import Any

from kag.sweep import Limits
from tests.server.test_sweeps_server import agent, beat, make

CONFIG = "{method: grid, program: train.py, parameters: {x: {values: [1]}}}"
LOSSES = Limits().losses


def lost(site: Any, sweep: dict[str, Any], logged: dict[str, Any]) -> str:
    """One attempt that a signal ends after what it has logged; the first word that its agent was told."""
    told = beat(site, agent(site, sweep))[0]
    if told["type"] == "run":
        site.run(told["run_id"], sweep=sweep["name"])
        summary = {"wandb-summary.json": {"offset": 0, "content": [json.dumps(logged)]}}
        site.stream({"files": summary, "complete": True, "exitcode": 143}, told["run_id"])
    return str(told["type"])


def test_a_trial_of_many_time_limits_goes_on_while_its_epochs_do(site: Any) -> None:
    sweep = make(site, CONFIG)
    for epoch in range(LOSSES + 2):
        # An attempt that goes on in a run of its own counts its steps anew.
        assert lost(site, sweep, {"epoch": epoch, "_step": 1}) == "run"
    for _ in range(LOSSES):
        assert lost(site, sweep, {"epoch": 0, "_step": 500}) == "run"
    assert lost(site, sweep, {}) == "exit"


def test_without_an_epoch_its_steps_tell(site: Any) -> None:
    sweep = make(site, CONFIG)
    for step in range(LOSSES + 2):
        assert lost(site, sweep, {"epoch": "first", "_step": step}) == "run"


def test_one_whose_agent_dies_is_judged_by_what_it_last_said(site: Any) -> None:
    sweep = make(site, CONFIG)
    for epoch in range(LOSSES + 2):
        told = beat(site, one := agent(site, sweep))[0]
        assert told["type"] == "run"
        site.run(told["run_id"], sweep=sweep["name"])
        site.stream(
            {"files": {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"epoch": epoch})]}}},
            told["run_id"],
        )
        beat(site, one, told["run_id"])
        site.now += 100.0
