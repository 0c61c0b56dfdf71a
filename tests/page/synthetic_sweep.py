"""A sweep of any number of trials, written as its agents would have left it: trials, attempts, runs and their times."""

from __future__ import annotations

import json
import math

from kag.server.filestream import with_keys
from kag.server.runs import ensure_project
from kag.server.store import Store, inserted_id
from kag.server.tables import HISTORY, agents, attempts, lines, runs, sweeps, trials
from kag.server.trials import kept_columns
from kag.sweep import Trial, TrialState
from kag.sweep.step import run_of
from kag.sweep.trial import point_digest
from tests.page.synthetic import BEGIN

CONFIG = """
name: demo
method: random
metric: {name: val/auprc, goal: maximize}
run_cap: 250
parameters:
  optimizer.lr: {distribution: log_uniform_values, min: 0.00001, max: 0.01}
  model.dropout: {min: 0.0, max: 0.5}
  loss.kind: {values: [focal, bce, asymmetric]}
"""

TOOK, PAUSE = 600.0, 60.0
"""Seconds of a trial, and between two of an agent."""


def add_sweep(store: Store, count: int, *, project: str = "demo", name: str = "demosweep", workers: int = 4) -> None:
    """A sweep whose trials these agents have taken in turns; the last one of each still runs.

    Every 11th trial was stopped and every 17th failed; the runs are of any script.
    """
    with store.write() as connection:
        owner = ensure_project(connection, "kag", project, now=BEGIN)["id"]
        end = BEGIN + (TOOK + PAUSE) * math.ceil(count / workers)
        made = {"name": name, "config": CONFIG, "state": "RUNNING", "seed": 1, "user": "tester"}
        sweep = inserted_id(connection, sweeps, {**made, "project_id": owner, "created_at": BEGIN, "updated_at": BEGIN})
        for i in range(workers):
            there = {"created_at": BEGIN - 30 * i, "heartbeat_at": end}
            row = {"sweep_id": sweep, "name": f"{name}-agent{i}", "host": f"node{i}", "user": "tester", **there}
            connection.execute(agents.insert().values(row))
        for i in range(count):
            trial = _trial(name, i, running=i >= count - workers, worker=i % workers)
            row = {"sweep_id": sweep, "number": i, "digest": point_digest(trial.params), **kept_columns(trial)}
            connection.execute(trials.insert().values(row))
            tried = {"sweep_id": sweep, "run": trial.run, "number": i, "agent": trial.agent}
            connection.execute(attempts.insert().values(tried))
            start = BEGIN + (TOOK + PAUSE) * (i // workers)
            number = inserted_id(connection, runs, _run(owner, sweep, trial, start))
            place = {"run_id": number, "stream": HISTORY, "writer": "", "line": 0, "step": 0}
            connection.execute(lines.insert().values({**place, "body": json.dumps({**_logged(trial), "_step": 0})}))


def _trial(sweep: str, i: int, *, running: bool, worker: int) -> Trial:
    lr, dropout, kind = 10 ** (-5 + 3 * (i * 0.618 % 1)), 0.5 * (i * 0.755 % 1), ("focal", "bce", "asymmetric")[i % 3]
    value = 0.45 - 0.03 * (math.log10(lr) + 3.3) ** 2 - 0.2 * (dropout - 0.1) ** 2 + 0.01 * (i % 3)
    ended = TrialState.STOPPED if i % 11 == 10 else TrialState.FAILED if i % 17 == 16 else TrialState.FINISHED
    state = TrialState.LEASED if running else ended
    return Trial(
        id=i,
        params={"optimizer.lr": lr, "model.dropout": dropout, "loss.kind": kind},
        state=state,
        value=None if state is TrialState.FAILED else round(value, 5),
        run=run_of(sweep, i, 1),
        agent=f"{sweep}-agent{worker}",
        attempt=1,
        confirmed=True,
        lease_until=BEGIN * 2 if running else 0.0,
    )


def _logged(trial: Trial) -> dict[str, float]:
    return {"val/auprc": trial.value if trial.value is not None else 0.1}


def _run(owner: int, sweep: int, trial: Trial, start: float) -> dict[str, object]:
    row = _logged(trial)
    states = {TrialState.LEASED: "running", TrialState.FAILED: "failed"}
    return {
        "project_id": owner,
        "sweep_id": sweep,
        "name": trial.run,
        "display_name": trial.run if trial.id != 3 else "my favourite",
        "config": json.dumps({key: {"value": value} for key, value in trial.params.items()}),
        "summary": json.dumps(row),
        "history_keys": json.dumps(with_keys({}, [row], 0)),
        "tags": "[]",
        "user": "tester",
        "host": trial.agent,
        "state": states.get(trial.state, "finished"),
        "exit_code": None if trial.state is TrialState.LEASED else 0,
        "should_stop": False,
        "restarted": 0,
        "created_at": start,
        "heartbeat_at": start + TOOK,
    }
