"""3,000 hostile requests, eight at once, while somebody asks whether the server is well.

python -m tests.benchmarks.hostile [--requests 3000] [--databases sqlite postgresql]
"""

from __future__ import annotations

import argparse
import http.client
import signal
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from tests.e2e.postgresql import cluster, new_database
from tests.e2e.tracking import TrackingServer
from tests.server.hostile import Hostile, hostile


def send(server: TrackingServer, request: Hostile) -> tuple[int, float, bool]:
    """Status, seconds, and whether the server blames itself."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    before = time.perf_counter()
    headers = {"Authorization": f"Bearer {server.key}", **request.headers}
    connection.request(request.method, request.path, request.body, headers)
    answer = connection.getresponse()
    failed = b"the server failed" in answer.read()
    connection.close()
    return answer.status, time.perf_counter() - before, failed


def attack(server: TrackingServer, requests: int) -> str:
    """Send all of them; what came of it in one line."""
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            status, seconds, _ = send(server, Hostile("GET", "/healthz"))
            waits.append(seconds if status == 200 else float("inf"))

    asking = threading.Thread(target=ask)
    asking.start()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: send(server, request), islice(hostile(1), requests)))
    over.set()
    asking.join()
    codes = Counter(status // 100 for status, _, _ in answers)
    slowest = max(seconds for _, seconds, _ in answers)
    return (
        f"{requests} requests: {dict(sorted((f'{code}xx', count) for code, count in codes.items()))}, "
        f"{sum(failed for *_, failed in answers)} blamed on the server, the slowest {slowest:.2f} s; "
        f"/healthz {len(waits)} times, at most {max(waits):.2f} s"
    )


def main() -> None:
    """Attack a server on each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    parser.add_argument("--requests", type=int, default=3000)
    options = parser.parse_args()
    for kind in options.databases:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            if kind == "sqlite":
                database = f"sqlite:///{folder / 'tracking.db'}"
            else:
                database = new_database(stack.enter_context(cluster()), "hostile")
            server = TrackingServer(folder, database)
            server.start()
            stack.callback(server.kill, signal.SIGTERM)
            server.graphql('mutation{upsertBucket(input:{name:"first",modelName:"p"}){inserted}}')
            print(f"{kind}: {attack(server, options.requests)}")


if __name__ == "__main__":
    main()
