"""A history of 20,000 rows read back in pages as `scan_history` reads it, beside the same rows read from the table.

    python -m tests.benchmarks.scan [--databases sqlite postgresql] [--rows 20000]

The client's own part of `scan_history`, which takes each value from JSON by itself, is in `ingest`.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.benchmarks.ingest import SCALARS, processor_seconds
from tests.e2e.postgresql import cluster, new_database
from tests.e2e.tracking import TrackingServer

PAGE = 1000
SCAN = """query($low: Int64, $high: Int64){project(name:"p"){run(name:"long"){
  history(minStep:$low, maxStep:$high, samples:1000)}}}"""


def fill(server: TrackingServer, rows: int) -> None:
    """Log a history."""
    server.graphql('mutation{upsertBucket(input:{name:"long",modelName:"p"}){inserted}}')
    for start in range(0, rows, PAGE):
        steps = range(start, start + PAGE)
        content = [json.dumps({"_step": step, **{f"m{i}": step * i / 7 for i in range(SCALARS)}}) for step in steps]
        body = json.dumps({"files": {"wandb-history.jsonl": {"offset": start, "content": content}}}).encode()
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/files/kag/p/long/file_stream", body, headers)
        urllib.request.urlopen(request, timeout=60).close()


def scan(server: TrackingServer, rows: int) -> None:
    """Read it all, page by page."""
    read = 0
    for low in range(0, rows, PAGE):
        answer = server.graphql(SCAN, low=low, high=low + PAGE)
        read += len(answer["project"]["run"]["history"])
    assert read == rows


def plain(database: str, rows: int) -> float:
    """Seconds to read the same rows at once from the table."""
    engine = create_engine(database)
    before = time.perf_counter()
    with engine.connect() as connection:
        found = connection.execute(text("select body from lines where stream = 0 order by step")).all()
    spent = time.perf_counter() - before
    engine.dispose()
    assert len(found) == rows
    return spent


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    for kind in options.databases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if kind == "sqlite":
                database = f"sqlite:///{folder / 'tracking.db'}"
            else:
                database = new_database(stack.enter_context(cluster()), "scan")
            server = TrackingServer(folder, database, "--strict")
            server.start()
            stack.callback(server.kill, signal.SIGTERM)
            fill(server, options.rows)
            assert server.process is not None
            used, before = processor_seconds(server.process.pid), time.perf_counter()
            for _ in range(3):
                scan(server, options.rows)
            spent = (time.perf_counter() - before) / 3
            used = (processor_seconds(server.process.pid) - used) / 3
            direct = plain(database, options.rows)
            print(
                f"{kind}: {options.rows} rows in pages of {PAGE}: {spent:.2f} s, {used:.2f} processor seconds of "
                f"the server; {spent / direct:.1f} times as long as the table alone ({direct:.2f} s)"
            )


if __name__ == "__main__":
    main()
