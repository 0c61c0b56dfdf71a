"""A heartbeat costs what is live, and draws no point where others wait to write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from kag.server.tables import trials
from kag.sweep import Trial
from kag.sweep.suggest import suggest
from tests.server.conftest import Http
from tests.server.test_queries import statements
from tests.server.test_sweeps_server import CONFIG, agent, beat, finish, make

BAYES = CONFIG.replace("grid", "bayes").replace('{values: [1, 2.0, "3", true]}', "{min: 0.0, max: 1.0}")


def finished(site: Any, sweep: dict[str, Any]) -> str:
    """One trial from its lease to its end; its run."""
    run: str = beat(site, agent(site, sweep))[0]["run_id"]
    finish(site, run, sweep)
    return run


def test_a_busy_agent_reads_live_trials_only(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(site, BAYES)
    over = [finished(site, sweep) for _ in range(4)]
    busy = agent(site, sweep)
    run = beat(site, busy)[0]["run_id"]
    site.run(run, sweep=sweep["name"])
    read: list[str | None] = []
    parse = Trial.model_validate_json

    def noted(body: str) -> Trial:
        trial = parse(body)
        read.append(trial.run)
        return trial

    monkeypatch.setattr(Trial, "model_validate_json", noted)
    assert beat(site, busy, run) == []
    assert set(read) == {run}
    assert beat(site, busy, over[0]) == [], "a run that is over just ends"
    assert beat(site, busy, "unknown") == [{"type": "stop", "run_id": "unknown"}]


def test_a_point_is_drawn_once_and_before_the_transaction_that_writes(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make(site, BAYES)
    idle = agent(site, sweep)
    with statements(site) as seen:

        def drawn(*words: Any) -> Any:
            seen.append("drawn")
            return suggest(*words)

        monkeypatch.setattr("kag.server.foresight.suggest", drawn)
        told = beat(site, idle)
    assert seen.count("drawn") == 1
    assert seen.index("drawn") < seen.index("BEGIN IMMEDIATE")
    with site.store.read() as connection:
        assert connection.execute(select(trials.c.run)).scalars().all() == [told[0]["run_id"]]


def test_a_point_that_another_agent_took_meanwhile_is_drawn_anew(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(site)
    first, second = agent(site, sweep), agent(site, sweep)
    other = Http(site.app, dict(site.http.headers))
    given: list[Any] = []

    def meanwhile(*words: Any) -> Any:
        monkeypatch.setattr("kag.server.foresight.suggest", suggest)
        question = {"query": "mutation($i: ID!){agentHeartbeat(input:{id:$i}){commands}}", "variables": {"i": second}}
        given.append(other.post("/graphql", json=question).json()["data"]["agentHeartbeat"]["commands"])
        return suggest(*words)

    monkeypatch.setattr("kag.server.foresight.suggest", meanwhile)
    assert beat(site, first)[0]["args"]["x"]["value"] == 2.0
    assert json.loads(given[0])[0]["args"]["x"]["value"] == 1
    other.close()
