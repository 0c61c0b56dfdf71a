"""A history of 20,000 rows read back in pages as `scan_history` reads it, beside the same rows read from the table.

    python -m tests.benchmarks.scan [--databases sqlite postgresql] [--rows 20000]

The client takes each value from JSON by itself. What that costs is measured with the same answers from memory.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.benchmarks._databases import arguments, databases, serving
from tests.benchmarks.ingest import SCALARS, processor_seconds
from tests.e2e.tracking import Client, TrackingServer

PAGE = 1000
TIMES = 3
BY_CLIENT = """
import json, sys, time, wandb
run = wandb.Api().run(f"kag/{sys.argv[1]}/{sys.argv[2]}")
expected, spent = list(range(int(sys.argv[3]))), []
for _ in range(int(sys.argv[4])):
    before = time.perf_counter()
    assert [row["_step"] for row in run.scan_history(use_cache=False)] == expected
    spent.append(time.perf_counter() - before)
print(json.dumps(spent))
"""
BY_PAGES = """query($low: Int64, $high: Int64){project(name:"scan"){run(name:"long"){
  history(minStep:$low, maxStep:$high, samples:1000)}}}"""


def fill(server: TrackingServer, rows: int) -> None:
    """Log a history."""
    server.graphql('mutation{upsertBucket(input:{name:"long",modelName:"scan"}){inserted}}')
    for start in range(0, rows, PAGE):
        steps = range(start, start + PAGE)
        content = [json.dumps({"_step": step, **{f"m{i}": step * i / 7 for i in range(SCALARS)}}) for step in steps]
        body = json.dumps({"files": {"wandb-history.jsonl": {"offset": start, "content": content}}}).encode()
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{server.url}/files/kag/scan/long/file_stream", body, headers)
        urllib.request.urlopen(request, timeout=60).close()


def scan(server: TrackingServer, rows: int) -> None:
    """Read it all, page by page."""
    read = 0
    for low in range(0, rows, PAGE):
        answer = server.graphql(BY_PAGES, low=low, high=low + PAGE)
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


def client_seconds(client: Client, rows: int, times: int, **environment: str) -> list[float]:
    """Seconds of `scan_history` of W&B's client, to which every row must come back in order."""
    spent: list[float] = client.python(BY_CLIENT, "scan", "long", str(rows), str(times), **environment)
    return spent


def by_client(server: TrackingServer, folder: Path, rows: int) -> str:
    """`scan_history` of W&B's client: of the server, and of its answers from memory."""
    assert server.process is not None
    client = Client(server, folder)
    with Replay(server) as replay, ExitStack() as stack:
        stack.callback(client.close)
        stack.callback(replay.shutdown)
        threading.Thread(target=replay.serve_forever, daemon=True).start()
        used = processor_seconds(server.process.pid)
        real = sorted(client_seconds(client, rows, TIMES))
        used = (processor_seconds(server.process.pid) - used) / TIMES
        memory = f"http://127.0.0.1:{replay.server_port}"
        _, *replayed = client_seconds(client, rows, TIMES + 1, WANDB_BASE_URL=memory)
    return (
        f"scan_history of the client {real[0]:.2f} to {real[-1]:.2f} s, {used:.2f} processor seconds of the server; "
        f"of the same answers from memory {min(replayed):.2f} to {max(replayed):.2f} s"
    )


def paged(server: TrackingServer, rows: int) -> str:
    """All rows in pages as the client asks for them, and at once from the table."""
    assert server.process is not None
    used, before = processor_seconds(server.process.pid), time.perf_counter()
    for _ in range(TIMES):
        scan(server, rows)
    spent = (time.perf_counter() - before) / TIMES
    used = (processor_seconds(server.process.pid) - used) / TIMES
    direct = plain(server.database, rows)
    return (
        f"{rows} rows in pages of {PAGE}: {spent:.2f} s, {used:.2f} processor seconds of the server; "
        f"{spent / direct:.1f} times as long as the table alone ({direct:.2f} s)"
    )


def main() -> None:
    """Measure on each database."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    for kind in options.databases:
        with databases(kind, "scan") as (folder, [database]), serving(folder, database, "--strict") as server:
            fill(server, options.rows)
            print(f"{kind}: {paged(server, options.rows)}")
            print(f"{kind}: {by_client(server, folder / 'client', options.rows)}", flush=True)


if __name__ == "__main__":
    main()
