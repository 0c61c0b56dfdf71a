"""What agents cost a server: heartbeats and trials of bare HTTP agents, which train nothing, on sweeps of any size.

    python -m tests.benchmarks.growth [--databases sqlite postgresql] [--sizes 10 1000 20000] [--live 1 200]
        [--trials 1000 5000] [--agents 1000] [--seconds 20] [--servers 1] [--pinned]

A heartbeat of an agent that runs something is what a server gets most of: one in 5 s from each. Its processor time is
to be the same however many trials the sweep has, and however many of them hyperband watches. Then agents of which each
has a trial send heartbeats and rows at their own pace, and the share of one core that the server needs is told.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from kag.server.context import decode_id
from kag.server.store import Store
from kag.server.tables import sweeps as sweep_table
from kag.server.tables import trials as trial_table
from kag.server.trials import save_trials
from kag.sweep import Trial, TrialState
from tests.benchmarks._databases import arguments, databases, serving
from tests.benchmarks.ingest import percentiles, processor_seconds
from tests.e2e.tracking import TrackingServer

HYPERBAND = "early_terminate: {type: hyperband, min_iter: 2}\n"
CONFIG = """
method: %s
program: none
metric: {name: loss, goal: minimize}
parameters: {x: {min: 0, max: 90000}, y: {values: [a, b]}}
"""
MAKE = 'mutation($c: String){upsertSweep(input:{config:$c,projectName:"g"}){sweep{id name}}}'
JOIN = 'mutation($s: String!){createAgent(input:{host:"h",projectName:"g",sweep:$s}){agent{id}}}'
BEAT = 'mutation($i: ID!, $r: JSONString){agentHeartbeat(input:{id:$i,metrics:"{}",runState:$r}){agent{id} commands}}'
BEGIN = 'mutation($n: String, $s: String){upsertBucket(input:{name:$n,modelName:"g",sweep:$s}){bucket{id}}}'
ROW = {f"val/key_{number}": 0.123456789 for number in range(20)}
ROUNDS = 5
BEAT_SECONDS, ROW_SECONDS = 5.0, 15.0
"""How often W&B's agent sends a heartbeat, and its client what a run has logged."""


@dataclass
class Wire:
    """A connection to a server that is kept open."""

    server: TrackingServer
    _held: http.client.HTTPConnection | None = None

    def post(self, path: str, body: Any) -> Any:
        """The answer to a request, which must succeed. What the server has closed meanwhile is opened again."""
        try:
            return self._posted(path, body)
        except ConnectionError:
            self._held = None
            return self._posted(path, body)

    def _posted(self, path: str, body: Any) -> Any:
        self._held = self._held or http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=600)
        headers = {"Authorization": f"Bearer {self.server.key}", "Content-Type": "application/json"}
        self._held.request("POST", path, json.dumps(body), headers)
        answer = self._held.getresponse()
        told = json.loads(answer.read())
        assert answer.status == 200, told
        return told

    def ask(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL answer."""
        return self.post("/graphql", {"query": query, "variables": variables})["data"]


@dataclass
class Agent:
    """An agent of a sweep that pretends to train."""

    wire: Wire
    sweep: str
    identifier: str = ""
    run: str = ""
    rows: int = 0
    waited: list[float] = field(default_factory=list)

    def beat(self) -> None:
        """A heartbeat; an agent that runs nothing takes what it is given."""
        if not self.identifier:
            self.identifier = self.wire.ask(JOIN, s=self.sweep)["createAgent"]["agent"]["id"]
        began = time.perf_counter()
        said = self.wire.ask(BEAT, i=self.identifier, r=json.dumps({self.run: True} if self.run else {}))
        self.waited.append(time.perf_counter() - began)
        for command in json.loads(said["agentHeartbeat"]["commands"]):
            self.run = command["run_id"] if command["type"] == "run" else ""
            if self.run:
                self.rows = 0
                self.wire.ask(BEGIN, n=self.run, s=self.sweep)

    def log(self, count: int = 1, **words: Any) -> None:
        """Rows of its run, as the client posts them; of none if it was told to stop."""
        if not self.run:
            return
        rows = [json.dumps({**ROW, "loss": 1 / (self.rows + at + 1), "_step": self.rows + at}) for at in range(count)]
        files = {
            "wandb-history.jsonl": {"offset": self.rows, "content": rows},
            "wandb-summary.json": {"offset": 0, "content": rows[-1:]},
        }
        self.rows += count
        self.wire.post(f"/files/kag/g/{self.run}/file_stream", {"files": files, **words})

    def trial(self, epochs: int) -> None:
        """A whole trial, as fast as the server lets it."""
        self.beat()
        self.beat()
        for _ in range(epochs):
            self.log()
        self.log(complete=True, exitcode=0)
        self.run = ""


def sweep(server: TrackingServer, size: int, *, method: str = "random", extra: str = "") -> str:
    """A sweep in which so many trials have finished; its name."""
    found = Wire(server).ask(MAKE, c=CONFIG % method + extra)["upsertSweep"]["sweep"]
    done: dict[str, Any] = {"state": TrialState.FINISHED, "attempt": 1, "confirmed": True}
    store = Store(server.database, make=False)
    with store.write() as connection:
        trials = [
            Trial(id=at, params={"x": at, "y": "a"}, value=1 / (at + 1), run=f"{found['name']}-{at:04d}", **done)
            for at in range(size)
        ]
        save_trials(connection, decode_id("Sweep", found["id"]), [], trials)
    store.close()
    return str(found["name"])


def used(servers: Sequence[TrackingServer], what: Callable[[], Any]) -> float:
    """Processor seconds of servers while something is done."""

    def so_far() -> float:
        return sum(processor_seconds(server.process.pid) for server in servers if server.process is not None)

    before = so_far()
    what()
    return so_far() - before


def busy(server: TrackingServer, size: int, live: int, extra: str, beats: int = 100) -> str:
    """Milliseconds of processor that a heartbeat of a busy agent costs, in several rounds."""
    name = sweep(server, size, extra=extra)
    agents = [Agent(Wire(server), name) for _ in range(live)]
    for agent in agents:
        agent.beat()
        agent.log(12)
    for _ in range(20):
        agents[0].beat()
    found = [used([server], lambda: [agents[0].beat() for _ in range(beats)]) / beats * 1e3 for _ in range(ROUNDS)]
    return f"least {min(found):.2f} ms, median {statistics.median(found):.2f} ms"


def trials(servers: Sequence[TrackingServer], size: int, agents: int, each: int, method: str) -> str:
    """Trials as fast as agents and servers go."""
    name = sweep(servers[0], size, method=method)
    workers = [Agent(Wire(servers[at % len(servers)]), name) for at in range(agents)]
    threads = [
        threading.Thread(target=lambda one=one: [one.trial(4) for _ in range(each)])  # type: ignore[misc]
        for one in workers
    ]
    began = time.perf_counter()

    def work() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    cost, seconds = used(servers, work), time.perf_counter() - began
    count = agents * each
    return f"{count / seconds:.1f} trials/s, {cost / count * 1e3:.0f} ms of processor each"


def load(servers: Sequence[TrackingServer], size: int, agents: int, seconds: float) -> str:
    """Agents that are under way send heartbeats and rows at their own pace: how much of a core that takes."""
    name = sweep(servers[0], size, extra=HYPERBAND)
    crowd = [Agent(Wire(servers[at % len(servers)]), name) for at in range(agents)]
    for agent in crowd:
        agent.beat()
        agent.waited.clear()
    due = sorted(
        [(at * BEAT_SECONDS / agents, BEAT_SECONDS, agent.beat) for at, agent in enumerate(crowd)]
        + [(at * ROW_SECONDS / agents, ROW_SECONDS, agent.log) for at, agent in enumerate(crowd)],
        key=lambda one: one[0],
    )
    plan = sorted(
        ((first + again * every, act) for first, every, act in due for again in range(int(seconds / every) + 1)),
        key=lambda one: one[0],
    )
    began = time.perf_counter()

    def send() -> None:
        for at, act in plan:
            if at < seconds:
                time.sleep(max(at - (time.perf_counter() - began), 0.0))
                act()

    cost, took = used(servers, send), time.perf_counter() - began
    middle, worst = percentiles([one for agent in crowd for one in agent.waited])
    return (
        f"{cost / seconds:.2f} of a core, for {seconds:.0f} s of it in {took:.1f} s; "
        f"heartbeats p50 {middle:.0f}, p99 {worst:.0f} ms; {lost(servers[0], name)} trials lost"
    )


def lost(server: TrackingServer, name: str) -> int:
    """Attempts at the trials of a sweep that were lost: there is another one for each."""
    store = Store(server.database, make=False)
    with store.read() as connection:
        its_own = trial_table.c.sweep_id == sweep_table.c.id
        more = func.sum(trial_table.c.attempt - 1)
        query = select(more).join(sweep_table, its_own).where(sweep_table.c.name == name)
        found = int(connection.execute(query).scalar_one())
    store.close()
    return found


def pinned(servers: Sequence[TrackingServer]) -> None:
    """Let servers share one core and the agents have the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    for server in servers:
        assert server.process is not None
        for task in Path(f"/proc/{server.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {first})
    os.sched_setaffinity(0, others or {first})


def main() -> None:
    """Print what each costs."""
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 1000, 20000])
    parser.add_argument("--live", type=int, nargs="*", default=[1, 200])
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--servers", type=int, default=1, help="of one database; more than one needs PostgreSQL")
    parser.add_argument("--pinned", action="store_true", help="servers share one core, agents have the others")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    for kind in options.databases:
        with ExitStack() as stack:
            folder, [database] = stack.enter_context(databases(kind, "growth"))
            servers = [stack.enter_context(serving(Path(folder), database))]
            while len(servers) < options.servers:
                servers.append(servers[0].beside())
                servers[-1].start()
                stack.callback(servers[-1].kill, signal.SIGTERM)
            if options.pinned:
                pinned(servers)
            measure(f"{kind}, {len(servers)} server(s)", servers, options)


def measure(kind: str, servers: Sequence[TrackingServer], options: argparse.Namespace) -> None:
    """Print what each costs on one database."""
    for size in options.sizes:
        print(f"{kind}: busy heartbeat at {size} trials: {busy(servers[0], size, 1, '')}", flush=True)
    for live in options.live:
        print(f"{kind}: with {live} live in hyperband: {busy(servers[0], 20, live, HYPERBAND)}", flush=True)
    for size in options.trials:
        print(f"{kind}: 16 agents at {size} trials: {trials(servers, size, 16, 8, 'grid')}", flush=True)
        print(f"{kind}: bayes at {size} trials: {trials(servers, size, 1, 4, 'bayes')}", flush=True)
    if options.agents:
        told = load(servers, 5000, options.agents, options.seconds)
        print(f"{kind}: {options.agents} agents at 5000 trials: {told}", flush=True)


if __name__ == "__main__":
    main()
