"""Seeded lives of sweeps, and what a server answered in them: agents that work, die, come back and contradict runs.

    python -m tests.server.sweep_traces [--check]

`sweep_traces.json` was recorded with the server that read every trial in each heartbeat. One that reads less must
answer the same, and leave trials and runs in the same states. Since then agents for which there is nothing left may
leave before the last trial ends: it was recorded anew, and 41 answers had become `exit`, which were none, and no other.
Since then a loss counts only where the attempt came no farther than those before: recorded anew, no answer had changed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from kag.server.tables import agents, runs, sweeps, trials
from kag.sweep import Limits
from tests.server.conftest import Site
from tests.server.test_sweeps_server import agent, beat

FILE = Path(__file__).with_name("sweep_traces.json")
HEAD = "program: train.py\nmetric: {name: score, goal: maximize%s}\nmethod: %s\n"
GRID = "parameters: {a: {values: [1, 2.0, '3']}, b: {parameters: {c: {values: [true, null, 1, 1]}}}}\n"
SPACE = "parameters: {lr: {distribution: log_uniform_values, min: 0.001, max: 1.0}, k: {values: [x, y, z]}}\n"
SLOW = "early_terminate: {type: hyperband, min_iter: 2, eta: 2}\n"
CONFIGS: Mapping[str, str] = {
    "grid": HEAD % ("", "grid") + GRID,
    "grid with a cap": HEAD % ("", "grid") + GRID + "run_cap: 7\n",
    "grid with runs from before": HEAD % ("", "grid") + GRID,
    "grid with hyperband": HEAD % ("", "grid") + GRID + SLOW,
    "random with a cap": HEAD % ("", "random") + SPACE + "run_cap: 9\n",
    "random with a target": HEAD % (", target: 11", "random") + SPACE,
    "random with hyperband": HEAD % ("", "random") + SPACE + SLOW,
    "random with hyperband of the best": HEAD % ("", "random")
    + SPACE
    + "early_terminate: {type: hyperband, max_iter: 8, s: 3, eta: 2, strict: false}\n",
    "bayes": HEAD % ("", "bayes") + SPACE + "run_cap: 14\n",
    "bayes with hyperband": HEAD % (", impute: best", "bayes") + SPACE + SLOW,
}
SEEDS = range(2)
"""In the second life more goes well, so that sweeps come to their end."""
EVENTS = 120
UNSAID = ("lease_until", "reached", "farthest")
LOOK = 20
"""Events from one look at all that is kept to the next."""
STATE = "mutation($input: X!){upsertSweep(input:$input){sweep{state}}}"


@dataclass
class Agent:
    """An agent, and the runs that it believes to be running."""

    identifier: str
    running: set[str] = field(default_factory=set)


class Life:
    """A sweep on a server, and what happens to it."""

    def __init__(self, folder: Path, name: str, seed: int, url: str = "") -> None:
        self.chance = random.Random(f"{name} {seed}")
        limits = Limits(lease=60, failures=2, losses=4)
        self.site = Site(folder, url=url, limits=limits)
        self.name = f"s{seed}"
        self.calm = 12 * seed
        words = {}
        if "from before" in name:
            words = self._before()
        config = {"config": CONFIGS[name], "projectName": "p", **words}
        query = "mutation($input: X!){upsertSweep(input:$input){sweep{id name}}}"
        self.sweep = self.site.ask(query, input=config)["upsertSweep"]["sweep"]
        with self.site.store.write() as connection:
            connection.execute(update(sweeps).values(name=self.name, seed=17 + seed))
        self.agents = [self._agent() for _ in range(3)]
        self.given: list[str] = []
        self.begun: dict[str, int] = {}
        self.said: list[str] = []

    def _before(self) -> dict[str, Any]:
        for number, point in enumerate(({"a": 2.0, "b": {"c": None}}, {"a": 1, "b": {"c": 1}}, {"a": 7})):
            self.site.run(f"old{number}", config=json.dumps({key: {"value": value} for key, value in point.items()}))
            self.site.stream({"complete": True, "exitcode": 0}, f"old{number}")
        return {"priorRunsFilters": json.dumps({"name": {"$in": ["old0", "old1", "old2"]}})}

    def _agent(self) -> Agent:
        return Agent(agent(self.site, {"name": self.name}))

    def go_on(self) -> None:
        """One event after another, and a look at everything now and then."""
        events = [event for event, weight in WEIGHTS.items() for _ in range(weight)] + [_works] * self.calm
        for number in range(EVENTS):
            self.chance.choice(events)(self)
            if number % LOOK == LOOK - 1:
                self.said.append(self.look())
        self.site.http.close()
        self.site.store.close()

    def look(self) -> str:
        """A digest of all trials and runs, without what says until when a lease is believed, or how far runs are."""
        with self.site.store.read() as connection:
            names = {row.name: row.id for row in connection.execute(select(agents.c.name, agents.c.id))}
            kept = []
            for body in connection.execute(select(trials.c.body).order_by(trials.c.number)).scalars():
                trial = {key: value for key, value in json.loads(body).items() if key not in UNSAID}
                kept.append({**trial, "agent": names.get(trial["agent"])})
            shown = select(runs.c.name, runs.c.state, runs.c.should_stop).where(runs.c.project_id.is_not(None))
            kept += [list(row) for row in connection.execute(shown.order_by(runs.c.name))]
            kept += list(connection.execute(select(sweeps.c.state)).scalars())
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:10]

    def any_run(self, *, begun: bool = True) -> str | None:
        """A run that was given out lately."""
        known = [run for run in self.given[-8:] if (run in self.begun) is begun]
        return self.chance.choice(known) if known else None


def _beats(life: Life, *, forgetful: bool = False) -> None:
    one = life.chance.choice(life.agents)
    _tells(life, one, set() if forgetful else one.running)


def _tells(life: Life, one: Agent, running: set[str]) -> None:
    told = beat(life.site, one.identifier, *sorted(running))
    words = []
    for command in told:
        run = command.get("run_id", "")
        if command["type"] == "run":
            one.running.add(run)
            life.given.append(run)
        if command["type"] == "stop" and life.chance.random() < 0.5:
            one.running.discard(run)
        values = json.dumps([value["value"] for value in command.get("args", {}).values()]) if run else ""
        words.append(f"{command['type']} {run}{'' if command['type'] == 'stop' else values}".strip())
    life.said.append("; ".join(words) or ".")


def _begins(life: Life) -> None:
    run = life.any_run(begun=False)
    if run is not None:
        life.begun[run] = 0
        life.site.run(run, sweep=life.name)


def _logs(life: Life, *, preempting: bool = False) -> None:
    run = life.any_run()
    if run is not None:
        _logs_of(life, run, preempting=preempting)


def _logs_of(life: Life, run: str, *, preempting: bool = False) -> None:
    rows: list[dict[str, Any]] = []
    for _ in range(life.chance.randrange(1, 4)):
        score = life.chance.choice([round(life.chance.gauss(5, 3), 3)] * 9 + ["NaN"])
        rows.append({"_step": life.begun[run], "score": score})
        life.begun[run] += 1
    lines = {"offset": life.begun[run] - len(rows), "content": [json.dumps(row) for row in rows]}
    files = {"wandb-history.jsonl": lines, "wandb-summary.json": {"offset": 0, "content": [json.dumps(rows[-1])]}}
    answer = life.site.stream({"files": files, **({"preempting": True} if preempting else {})}, run)
    life.said.append(f"{run} {answer.json() if answer.status_code == 200 else answer.status_code}")


def _ends(life: Life) -> None:
    run = life.any_run()
    if run is not None:
        code = life.chance.choice([0, 0, 0, 1, 143])
        life.site.stream({"complete": True, "exitcode": code}, run)
        if life.chance.random() < 0.8:
            _lets_go(life, run)


def _works(life: Life) -> None:
    """An agent that does what it should: a point, a run, rows, an end."""
    one = life.chance.choice(life.agents)
    one.running.clear()
    _tells(life, one, set())
    run = next(iter(one.running), None)
    if run is not None and run not in life.begun:
        life.begun[run] = 0
        life.site.run(run, sweep=life.name)
        _tells(life, one, one.running)
        _logs_of(life, run)
        life.site.stream({"complete": True, "exitcode": 0}, run)
        one.running.discard(run)


def _lets_go(life: Life, run: str | None) -> None:
    for one in life.agents:
        one.running.discard(run or "")


def _another_agent(life: Life) -> None:
    life.agents[life.chance.randrange(len(life.agents))] = life._agent()


def _time(life: Life) -> None:
    life.site.now += life.chance.choice([1, 5, 5, 20, 40, 61])


def _new_server(life: Life) -> None:
    life.site.now += life.chance.choice([5, 100])
    life.site.restart()


def _state(life: Life) -> None:
    wanted = life.chance.choice(
        ["PAUSED", "RUNNING", "RUNNING", "RUNNING", *(["CANCELED"] if len(life.said) > 60 else [])]
    )
    answer = life.site.post(STATE, input={"id": life.sweep["id"], "state": wanted})
    life.said.append(f"{wanted} {answer.status_code}")


def _person(life: Life) -> None:
    run = life.any_run()
    if run is not None:
        query = 'query($r: String!){project(name:"p"){run(name:$r){id}}}'
        found = life.site.ask(query, r=run)["project"]["run"]
        asked = life.chance.choice(["stopRun", "stopRun", "deleteRun"])
        if found is not None:
            life.site.ask(f"mutation($i: ID!){{{asked}(input:{{id:$i}}){{clientMutationId}}}}", i=found["id"])


WEIGHTS: Mapping[Callable[[Life], None], int] = {
    _beats: 30,
    lambda life: _beats(life, forgetful=True): 2,
    _begins: 8,
    _logs: 16,
    lambda life: _logs(life, preempting=True): 1,
    _ends: 7,
    lambda life: _lets_go(life, life.any_run()): 3,
    lambda life: _lets_go(life, life.any_run(begun=False)): 1,
    _another_agent: 1,
    _time: 6,
    _new_server: 1,
    _state: 2,
    _person: 2,
}


def answers(folder: Path, name: str, seed: int, url: str = "") -> list[str]:
    """What is said in one life."""
    life = Life(folder, name, seed, url)
    life.go_on()
    return life.said


def recorded() -> dict[str, dict[str, list[str]]]:
    """Name of a config -> seed -> what was said."""
    found: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def main() -> int:
    """Record, or say what would be recorded otherwise."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, seed in itertools.product(CONFIGS, SEEDS):
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault(name, {})[str(seed)] = answers(Path(folder), name, seed)
    if "--check" in sys.argv:
        print(*(f"{name} is answered otherwise" for name in CONFIGS if found[name] != recorded()[name]), sep="\n")
        return int(found != recorded())
    FILE.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
