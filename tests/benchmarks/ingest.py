"""16 clients log 12 scalars a step at full speed: what the server takes in and at what cost.

    python -m tests.benchmarks.ingest [--databases sqlite postgresql] [--clients 16] [--steps 2000]

Clients and server share the machine, so on few cores the clients are what is measured first; rows per processor second
of the server say how much one core of it would take.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks._databases import arguments, databases, serving
from tests.e2e.tracking import Client, last_json

SCALARS = 12
LOG = """
import json, sys, time, wandb
settings = wandb.Settings(x_disable_stats=True)
with wandb.init(project=sys.argv[1], id=sys.argv[2], settings=settings) as run:
    begun, spent = time.time(), []
    for step in range(int(sys.argv[3])):
        before = time.perf_counter()
        run.log({f"m{i}": step * i / 7 for i in range(12)})
        spent.append(time.perf_counter() - before)
print(json.dumps({"begun": begun, "ended": time.time(), "spent": spent}))
"""


@dataclass(frozen=True)
class Ingest:
    """What came of clients that log as fast as they can."""

    counted: int
    """Rows that the clients say they logged."""
    stored: int
    """Rows in the database, each run and step once."""
    seconds: float
    """From the first row that a client logs until the last client has seen all of its rows taken in."""
    log: tuple[float, float]
    """Median and 99th percentile of one `log()`, over all clients, in milliseconds."""
    answer: tuple[float, float]
    """The same of a small request to the server meanwhile."""
    processor: float
    """Processor seconds of the server."""
    memory: float
    """Its peak in MiB."""

    def text(self) -> str:
        """All figures in one line."""
        return (
            f"{self.counted} rows of {SCALARS} scalars, {self.stored} stored, in {self.seconds:.1f} s: "
            f"{self.counted / self.seconds:.0f} rows/s; log() p50 {self.log[0]:.2f} ms, p99 {self.log[1]:.2f} ms; "
            f"a request meanwhile p50 {self.answer[0]:.0f} ms, p99 {self.answer[1]:.0f} ms; server "
            f"{self.processor:.1f} processor seconds ({self.counted / self.processor:.0f} rows each), "
            f"peak {self.memory:.0f} MiB"
        )


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1e3, cuts[98] * 1e3


def processor_seconds(number: int) -> float:
    """What a process has used so far."""
    words = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(number: int) -> float:
    """The most memory that a process has held, in MiB."""
    line = next(line for line in Path(f"/proc/{number}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def ingest(client: Client, clients: int, steps: int) -> Ingest:
    """Let clients log to a server that has no other runs."""
    server = client.server
    assert server.process is not None
    process, script = server.process.pid, str(client.script(LOG))
    used = processor_seconds(process)
    writers = [client.start(sys.executable, script, "ingest", f"r{i}", str(steps)) for i in range(clients)]
    answers = []
    while any(writer.poll() is None for writer in writers):
        before = time.perf_counter()
        server.graphql("query{viewer{username}}")
        answers.append(time.perf_counter() - before)
        time.sleep(0.1)
    printed = [writer.ends() for writer in writers]
    used = processor_seconds(process) - used
    told = [last_json(output) for output in printed]
    query = "select count(*) from (select distinct run_id, step from lines where stream = 0) as rows_of_runs"
    return Ingest(
        counted=sum(len(one["spent"]) for one in told),
        stored=server.rows(query)[0][0],
        seconds=max(one["ended"] for one in told) - min(one["begun"] for one in told),
        log=percentiles([spent for one in told for spent in one["spent"]]),
        answer=percentiles(answers),
        processor=used,
        memory=peak_memory(process),
    )


def main() -> None:
    """Measure on each database."""
    parser = arguments(__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2000)
    options = parser.parse_args()
    for kind in options.databases:
        with databases(kind, "ingest") as (folder, [database]), serving(folder, database, "--strict") as server:
            client = Client(server, folder / "client")
            try:
                print(f"{kind}: {ingest(client, options.clients, options.steps).text()}", flush=True)
            finally:
                client.close()


if __name__ == "__main__":
    main()
