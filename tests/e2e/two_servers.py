"""Two servers of one PostgreSQL, one of which is killed again and again: no row is lost, each point is finished once.

    python -m tests.e2e.two_servers [--clients 16] [--agents 6] [--points 60] [--seconds 180] [--every 20]

Half of the clients and of the agents talk to each server; they are W&B's own. The suite runs a small one with loops
that speak their protocol.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from kag.server.page.tickets import new_ticket
from kag.server.store import Store
from tests.e2e.caller import Caller
from tests.e2e.postgresql import cluster, new_database
from tests.e2e.tracking import Client, TrackingServer, last_json, until

PROJECT = "pair"
TRIAL_ROWS = 5
COUNTS = "select name, count(*), count(distinct step) from runs join lines on id = run_id where stream = 0 group by 1"
RUNS = """query($p: String!){project(name:$p){runs(first:1000, order:"+created_at"){totalCount edges{node{
  name state config summaryMetrics historyKeys historyLineCount sweepName stopped}}}
  sweeps{edges{node{name state runCount bestLoss agents{edges{node{name totalRuns}}}}}}}}"""
HISTORY = """query($p: String!, $r: String!){project(name:$p){run(name:$r){
  history(minStep:0, maxStep:1000000, samples:1000000)}}}"""


class Pair:
    """Two servers, one of which comes and goes."""

    def __init__(self, folder: Path, database: str) -> None:
        self.steady = TrackingServer(folder, database, "--strict")
        self.killed = self.steady.beside()
        self.kills = 0
        for server in self.both:
            server.start()

    @property
    def both(self) -> tuple[TrackingServer, TrackingServer]:
        """The servers."""
        return self.steady, self.killed

    def of(self, number: int) -> TrackingServer:
        """That of a client."""
        return self.both[number % 2]

    def kill(self) -> None:
        """Kill one, and start it again."""
        self.killed.kill()
        self.killed.start()
        self.kills += 1

    def rows(self) -> int:
        """Rows of history that are there."""
        return int(self.steady.rows("select count(*) from lines where stream = 0")[0][0])

    def close(self) -> None:
        """End both."""
        for server in self.both:
            server.kill(signal.SIGTERM)


class Load(NamedTuple):
    """Clients at work."""

    over: Callable[[], None]
    """Tells those that write to come to their end."""
    written: Callable[[], dict[str, int]]
    """Waits for all of them; by run, the rows that each says it has logged."""


def spoken(pair: Pair, clients: int, agents: int, sweep: str) -> Load:
    """Loops that speak the protocol."""
    over = threading.Event()

    def write(number: int) -> tuple[str, int]:
        caller, name, step = Caller(pair.of(number), PROJECT), f"writer-{number}", 0
        caller.begin(name)
        while not over.is_set():
            caller.log(name, step, step / 7)
            step += 1
        caller.end(name, step)
        return name, step

    def work(number: int) -> None:
        caller = Caller(pair.of(number), PROJECT)
        query = "mutation($i: CreateAgentInput!){createAgent(input:$i){agent{id}}}"
        given = {"projectName": PROJECT, "sweep": sweep, "host": f"host-{number}"}
        agent = caller.ask(query, i=given)["createAgent"]["agent"]["id"]
        while (command := until(lambda: caller.beat(agent), what="a command")[0])["type"] == "run":
            name, x = command["run_id"], command["args"]["x"]["value"]
            caller.begin(name, sweep=sweep, config=json.dumps({"x": {"value": x}}))
            for step in range(TRIAL_ROWS):
                caller.log(name, step, x * 100 + step)
            assert caller.beat(agent, name) == []
            caller.end(name, x)

    pool = ThreadPoolExecutor(clients + agents)
    writers = [pool.submit(write, number) for number in range(clients)]
    workers = [pool.submit(work, number) for number in range(agents)]

    def written() -> dict[str, int]:
        with pool:
            for one in workers:
                one.result()
            return dict(one.result() for one in writers)

    return Load(over.set, written)


PATIENT = {"WANDB_HTTP_TIMEOUT": "120"}
"""A client that logs in waits 10 seconds for its server, and then gives up."""
WRITER = """
import json, sys, time, wandb
from pathlib import Path
with wandb.init(project="pair", id=sys.argv[1], settings=wandb.Settings(x_disable_stats=True)) as run:
    step = 0
    while not Path(sys.argv[2]).exists():
        run.log({"score": step / 7})
        step += 1
        time.sleep(0.05)
print(json.dumps({sys.argv[1]: step}))
"""
TRIAL = """
import time, wandb
with wandb.init(settings=wandb.Settings(x_disable_stats=True)) as run:
    for step in range(5):
        run.log({"score": run.config["x"] * 100 + step})
        time.sleep(0.5)
"""


def unmodified(pair: Pair, folder: Path, stack: ExitStack, clients: int, agents: int, sweep: str) -> Load:
    """W&B's client and W&B's agent."""
    flag = folder / "over"
    users = [Client(server, folder / f"user-{place}") for place, server in enumerate(pair.both)]
    for user in users:
        stack.callback(user.close)
        user.script(TRIAL, "trial.py")
        user.script(WRITER, "writer.py")
    writers = [
        users[number % 2].start(sys.executable, "writer.py", f"writer-{number}", str(flag), **PATIENT)
        for number in range(clients)
    ]
    workers = [users[number % 2].agent(sweep, PROJECT, **PATIENT) for number in range(agents)]

    def written() -> dict[str, int]:
        told = [last_json(one.ends()) for one in writers]
        for one in workers:
            one.ends()
        return {name: rows for one in told for name, rows in one.items()}

    return Load(flag.touch, written)


def search(pair: Pair, points: int) -> str:
    """A sweep over so many points; its name."""
    config = {"method": "grid", "program": "trial.py", "parameters": {"x": {"values": list(range(points))}}}
    config |= {"metric": {"name": "score", "goal": "maximize"}, "command": ["python", "${program}"]}
    query = "mutation($i: UpsertSweepInput!){upsertSweep(input:$i){sweep{name}}}"
    given = {"projectName": PROJECT, "config": json.dumps(config)}
    return str(Caller(pair.steady, PROJECT).ask(query, i=given)["upsertSweep"]["sweep"]["name"])


class Found(NamedTuple):
    """What came of it."""

    kills: int
    written: int
    """Rows that clients have logged."""
    read: int
    """Rows that both servers give, each once."""
    points: int
    """Points that one run, and no other, has finished, with every row of it."""
    attempts: int
    """Runs that were begun for them."""
    pages: int
    """Answers of the page that are the same at both servers."""

    def text(self) -> str:
        """In one line."""
        return (
            f"{self.kills} kills; {self.written} rows written, {self.read} read at both servers; {self.points} points, "
            f"each once, in {self.attempts} runs; {self.pages} answers of the page and all of the Api are alike"
        )


def judged(pair: Pair, written: dict[str, int], points: int) -> Found:
    """Look at everything through both servers, and in the database.

    Raises:
        AssertionError: something was lost, doubled, or is told in two ways.
    """
    callers = [Caller(server, PROJECT) for server in pair.both]
    told = [caller.ask(RUNS, p=PROJECT) for caller in callers]
    assert told[0] == told[1]
    runs = [edge["node"] for edge in told[0]["project"]["runs"]["edges"]]
    assert {state for (state,) in pair.steady.rows("select state from trials")} == {"finished"}
    done = [run for run in runs if run["sweepName"] and run["state"] == "finished"]
    xs = {run["name"]: json.loads(run["config"])["x"]["value"] for run in done}
    assert sorted(xs.values()) == list(range(points)), "each point is finished once"
    expected = {**written, **dict.fromkeys(xs, TRIAL_ROWS)}
    read = sum(_read(callers, name, rows) for name, rows in expected.items())
    assert [name for name, lines, steps in pair.steady.rows(COUNTS) if lines != steps] == []
    names = [run["name"] for run in runs]
    sweeps = [edge["node"]["name"] for edge in told[0]["project"]["sweeps"]["edges"]]
    cookie = _log_in(pair.steady)
    shown = [_pages(server, cookie, names, sweeps) for server in pair.both]
    assert shown[0] == shown[1]
    tried = sum(bool(run["sweepName"]) for run in runs)
    return Found(pair.kills, sum(expected.values()), read, len(xs), tried, len(shown[0]))


def _read(callers: Sequence[Caller], name: str, rows: int) -> int:
    """Rows of a run, which every server gives in their order and without a gap."""
    for caller in callers:
        history = caller.ask(HISTORY, p=PROJECT, r=name)["project"]["run"]["history"]
        assert [json.loads(row)["_step"] for row in history] == list(range(rows)), (name, caller.server.url)
    return len(history)


def _log_in(server: TrackingServer) -> str:
    """The value of a cookie."""
    with closing(Store(server.database)) as store, store.write() as connection:
        path = new_ticket(connection, "tester", now=time.time())
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with closing(connection):
        connection.request("GET", path)
        return str(connection.getresponse().headers["set-cookie"]).partition(";")[0].partition("=")[2]


def _pages(server: TrackingServer, cookie: str, names: Sequence[str], sweeps: Sequence[str]) -> list[Any]:
    """What the page of a server shows, wherever somebody has logged in."""
    paths = ["runs.json", *(f"runs/{name}/course.json" for name in names), *(f"sweeps/{s}/trials.json" for s in sweeps)]
    found = []
    for path in paths:
        headers = {"Cookie": f"kag_session_{server.port}={cookie}", "Accept": "application/json"}
        request = urllib.request.Request(f"{server.url}/kag/{PROJECT}/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            found.append({key: value for key, value in json.load(answer).items() if key != "seen"})
    return found


def exercise(pair: Pair, load: Load, kills: Iterable[None], points: int) -> Found:
    """Kill one server as often as told while clients are at work, let them come to their end, and judge."""
    for _ in kills:
        pair.kill()
    load.over()
    return judged(pair, load.written(), points)


def by_rows(pair: Pair, kills: int, rows: int) -> Iterator[None]:
    """So many moments, each when so many rows more are there, and no end before as many have followed."""
    for left in reversed(range(kills + 1)):
        wanted = pair.rows() + rows
        until(lambda: pair.rows() >= wanted, what="more rows")  # noqa: B023  # asked at once
        if left:
            yield


def by_time(seconds: float, every: float) -> Iterator[None]:
    """A moment after every so many seconds."""
    for number in range(1, int(seconds / every) + 1):
        due = time.monotonic() + every
        until(lambda: time.monotonic() >= due, what=f"moment {number}")  # noqa: B023  # asked at once
        yield


def main() -> None:
    """Once, at the size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"clients": 16, "agents": 6, "points": 60, "seconds": 180, "every": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pair = Pair(folder, new_database(stack.enter_context(cluster()), "pair"))
        stack.callback(pair.close)
        sweep = search(pair, options.points)
        load = unmodified(pair, folder, stack, options.clients, options.agents, sweep)
        found = exercise(pair, load, by_time(options.seconds, options.every), options.points)
    print(found.text())


if __name__ == "__main__":
    main()
