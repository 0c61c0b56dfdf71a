"""A heartbeat costs what is live, and draws no point where others wait to write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import event, select

from kag.server.context import decode_id
from kag.server.foresight import PATIENCE
from kag.server.tables import trials
from kag.server.trials import save_trials
from kag.sweep import Trial, TrialState
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


def test_a_point_is_drawn_once_and_while_no_transaction_is_open(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make(site, BAYES)
    idle = agent(site, sweep)
    open_ones: list[int] = []

    def drawn(*words: Any) -> Any:
        open_ones.append(site.store.engine.pool.checkedout())
        return suggest(*words)

    monkeypatch.setattr("kag.server.foresight.suggest", drawn)
    told = beat(site, idle)
    assert open_ones == [0]
    with site.store.read() as connection:
        assert connection.execute(select(trials.c.run)).scalars().all() == [told[0]["run_id"]]


@pytest.mark.parametrize("others", [1, PATIENCE, PATIENCE + 2])
def test_a_point_that_another_agent_took_meanwhile_is_drawn_anew(
    site: Any, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """However often that happens: at last nobody else may write meanwhile."""
    sweep = make(site, BAYES)
    first, rest = agent(site, sweep), [agent(site, sweep) for _ in range(others)]
    other = Http(site.app, dict(site.http.headers))
    given: list[str] = []

    def meanwhile(*words: Any) -> Any:
        if not site.store.engine.pool.checkedout() and rest:
            monkeypatch.setattr("kag.server.foresight.suggest", suggest)
            question = "mutation($i: ID!){agentHeartbeat(input:{id:$i}){commands}}"
            answer = other.post("/graphql", json={"query": question, "variables": {"i": rest.pop()}}).json()
            given.append(json.loads(answer["data"]["agentHeartbeat"]["commands"])[0]["run_id"])
            monkeypatch.setattr("kag.server.foresight.suggest", meanwhile)
        return suggest(*words)

    monkeypatch.setattr("kag.server.foresight.suggest", meanwhile)
    told = beat(site, first)[0]["run_id"]
    taken = min(others, PATIENCE)
    assert [*given, told] == [f"{sweep['name']}-{number:04d}" for number in range(taken + 1)]
    other.close()


@pytest.fixture
def grown(site: Any) -> Any:
    """Makes a sweep with so many finished trials beside the one that an agent runs; a heartbeat of that one."""

    def grow(config: str, size: int) -> Any:
        sweep = make(site, config)
        busy = agent(site, sweep)
        run = beat(site, busy)[0]["run_id"]
        with site.store.write() as connection:
            number = decode_id("Sweep", sweep["id"])
            rows = [
                Trial(id=at, params={"x": at / 7}, state=TrialState.FINISHED, value=1.0, run=f"o{at}", attempt=1)
                for at in range(1, size)
            ]
            save_trials(connection, number, [], rows)
        site.run(run, sweep=sweep["name"])
        assert beat(site, busy, run) == []
        site.now += 5
        return lambda: beat(site, busy, run)

    return grow


def rows_changed(site: Any, what: Any) -> int:
    """Rows that a connection says it has changed while something is done."""
    found: list[int] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.split()[0] in ("UPDATE", "INSERT", "DELETE"):
            found.append(max(cursor.rowcount, 0))

    event.listen(site.store.engine, "after_cursor_execute", note)
    what()
    event.remove(site.store.engine, "after_cursor_execute", note)
    return sum(found)


@pytest.mark.parametrize("hyperband", ["", "early_terminate: {type: hyperband, min_iter: 2}\n"])
@pytest.mark.parametrize("size", [2, 300])
def test_a_busy_heartbeat_reads_and_changes_the_same_however_many_trials_there_are(
    site: Any, grown: Any, hyperband: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = grown(CONFIG + hyperband, size)
    read: list[str] = []
    parse = Trial.model_validate_json
    monkeypatch.setattr(Trial, "model_validate_json", lambda body: read.append(body) or parse(body))
    monkeypatch.setattr("kag.server.sweeps.parse_sweep", None)  # it is parsed once a change
    with statements(site) as seen:
        goes_on()
    assert len(read) == 1
    assert len([one for one in seen if not one.startswith("BEGIN")]) == 6
    site.now += 5
    assert rows_changed(site, goes_on) == 2, "its agent and its trial"


SLOW = CONFIG + "early_terminate: {type: hyperband, min_iter: 2}\n"


def test_a_trial_that_falls_behind_while_it_says_nothing_is_stopped(site: Any) -> None:
    """Its threshold has changed since another one has passed the band at which it stands."""
    sweep = make(site, SLOW)
    slow, fast = agent(site, sweep), agent(site, sweep)
    runs = [beat(site, one)[0]["run_id"] for one in (slow, fast)]
    for run in runs:
        site.run(run, sweep=sweep["name"])
    for one, run, score in ((slow, runs[0], 1.0), (fast, runs[1], 9.0)):
        site.log(0, [{"_step": at, "score": score} for at in range(3)], run)
        assert beat(site, one, run) == []
    assert beat(site, slow, runs[0]) == [{"type": "stop", "run_id": runs[0]}]
    assert beat(site, fast, runs[1]) == []


def test_what_a_run_said_while_its_point_was_given_back_is_heard_when_it_goes_on(site: Any) -> None:
    sweep = make(site)
    lost, other = agent(site, sweep), agent(site, sweep)
    run, busy = (beat(site, one)[0]["run_id"] for one in (lost, other))
    for name in (run, busy):
        site.run(name, sweep=sweep["name"])
    assert beat(site, lost, run) == []
    for _ in range(5):
        site.now += 20
        assert beat(site, other, busy) == []
    assert trial_of(site, run).state is TrialState.FREE
    assert site.stream({"complete": True, "exitcode": 1}, run).status_code == 200
    assert beat(site, other, busy) == []
    assert beat(site, lost, run) == []
    assert trial_of(site, run).state is TrialState.LEASED
    assert beat(site, other, busy) == []
    found = trial_of(site, run)
    assert (found.state, found.failures, found.losses) == (TrialState.FREE, 1, 1)


def trial_of(site: Any, run: str) -> Trial:
    """The trial of a run as it is kept."""
    with site.store.read() as connection:
        return Trial.model_validate_json(connection.execute(select(trials.c.body).filter_by(run=run)).scalar_one())
