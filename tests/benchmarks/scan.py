"""A history of 20,000 rows read back in pages as `scan_history` reads it, beside the same rows read from the table.

    python -m tests.benchmarks.scan [--databases sqlite postgresql] [--rows 20000]

The client takes each value from JSON by itself. What that costs is measured with the same answers from memory.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.benchmarks.ingest import SCALARS, processor_seconds
from tests.benchmarks.ingest import SCAN as CLIENT_SCAN
from tests.e2e.postgresql import cluster, new_database
from tests.e2e.tracking import Client, TrackingServer

PAGE = 1000
TIMES = 3
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


class Replay(ThreadingHTTPServer):
    """Hands on what clients ask of a server, once; what is asked again is answered from memory."""

    def __init__(self, server: TrackingServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = server
        self.known: dict[bytes, bytes] = {}

    def answer(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The answer to a question."""
        if body not in self.known:
            kept = {name: headers[name] for name in ("Authorization", "Content-Type")}
            request = urllib.request.Request(f"{self.server.url}/graphql", body, kept)
            with urllib.request.urlopen(request, timeout=60) as answer:
                self.known[body] = answer.read()
        return self.known[body]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Replay

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answer(body, self.headers)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def by_client(server: TrackingServer, folder: Path, rows: int) -> str:
    """`scan_history` of W&B's client: of the server, and of its answers from memory."""
    assert server.process is not None
    client = Client(server, folder)
    with Replay(server) as replay, ExitStack() as stack:
        stack.callback(client.close)
        stack.callback(replay.shutdown)
        threading.Thread(target=replay.serve_forever, daemon=True).start()
        used = processor_seconds(server.process.pid)
        real = sorted(client.python(CLIENT_SCAN, "p", "long", str(rows), str(TIMES)))
        used = (processor_seconds(server.process.pid) - used) / TIMES
        memory = f"http://127.0.0.1:{replay.server_port}"
        _, *replayed = client.python(CLIENT_SCAN, "p", "long", str(rows), str(TIMES + 1), WANDB_BASE_URL=memory)
    return (
        f"scan_history of the client {real[0]:.2f} to {real[-1]:.2f} s, {used:.2f} processor seconds of the server; "
        f"of the same answers from memory {min(replayed):.2f} to {max(replayed):.2f} s"
    )


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
            for _ in range(TIMES):
                scan(server, options.rows)
            spent = (time.perf_counter() - before) / TIMES
            used = (processor_seconds(server.process.pid) - used) / TIMES
            direct = plain(database, options.rows)
            print(
                f"{kind}: {options.rows} rows in pages of {PAGE}: {spent:.2f} s, {used:.2f} processor seconds of "
                f"the server; {spent / direct:.1f} times as long as the table alone ({direct:.2f} s)"
            )
            print(f"{kind}: {by_client(server, folder / 'client', options.rows)}", flush=True)


if __name__ == "__main__":
    main()
