"""How soon a browser shows the first row of 10,000 runs: as they come, filtered, and ordered by a number.

    python -m tests.benchmarks.first_rows [--databases sqlite postgresql] [--runs 10000]

Each line is of a server and a browser that have just started. `answer` is the processor time of the server for a page,
`again` that for the same page once all of its runs have been read; both also as a multiple of the plain way, which
reads settings and results of the same runs once, as JSON. `row` is the time from the address until the first row stands
in the document, `row again` that of the second look.
"""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import create_engine, select

from kag.server.store import Store
from kag.server.tables import runs
from tests.benchmarks._databases import arguments, databases
from tests.benchmarks.ingest import processor_seconds
from tests.browser import Browser, chromium, log_in, open_page, wait_for
from tests.e2e.tracking import TrackingServer
from tests.page.synthetic import add_runs

PATHS = (
    ("as they come", ""),
    ("a result", "?q=val/auprc > 0.4"),
    ("the end of a key", "?q=auprc > 0.4"),
    ("a setting", "?q=loss.kind=bce"),
    ("a tag", "?tag=october"),
    ("a name", "?q=run0042"),
    ("by a result", "?sort=-summary:val/auprc"),
    ("by a setting", "?q=seed<3&sort=config:optimizer.lr"),
    ("by time", "?sort=-took"),
)
ROW = "document.querySelector('#runs tbody tr')"
ALL = "document.getElementById('count').textContent && !document.getElementById('count').textContent.includes('follow')"


class Spent(NamedTuple):
    """Seconds for one path."""

    answer: float
    again: float
    row: float
    row_again: float


def plainly(database: str) -> float:
    """Processor seconds of the plain way."""
    engine, before = create_engine(database), time.process_time()
    with engine.connect() as connection:
        for config, summary in connection.execute(select(runs.c.config, runs.c.summary)):
            json.loads(config), json.loads(summary)
    engine.dispose()
    return time.process_time() - before


def asked(server: TrackingServer, browser: Browser, path: str) -> float:
    """Processor seconds of the server for one page, asked for by nobody who would ask for more."""
    assert server.process is not None
    before = processor_seconds(server.process.pid)
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in browser.get_cookies())
    headers = {"Cookie": cookies, "Accept": "text/html"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}{path}", headers=headers)) as answer:
        assert b'id="table"' in answer.read()
    return processor_seconds(server.process.pid) - before


def seen(server: TrackingServer, browser: Browser, path: str) -> float:
    """Seconds until the first row stands there."""
    open_page(browser, f"{server.url}{path}")
    wait_for(browser, ROW)
    found = float(browser.execute_script("return performance.now()")) / 1000
    wait_for(browser, ALL)
    return found


@contextmanager
def cold(first: TrackingServer) -> Iterator[tuple[TrackingServer, Browser]]:
    """A server of the same database that has read nothing, and a browser that is logged in to it."""
    server = first.beside()
    server.start()
    try:
        with chromium() as browser:
            log_in(browser, server.url, server.key)
            yield server, browser
    finally:
        server.kill(signal.SIGTERM)


def measured(first: TrackingServer, path: str) -> Spent:
    """One path."""
    with cold(first) as (server, browser):
        answer = asked(server, browser, path)
    with cold(first) as (server, browser):
        row = seen(server, browser, path)
        return Spent(answer, asked(server, browser, path), row, seen(server, browser, path))


def main() -> None:
    """Print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    options = parser.parse_args()
    for kind in options.databases:
        with databases(kind, "many") as (folder, [database]):
            store = Store(database)
            add_runs(store, options.runs, epochs=2)
            store.close()
            plain, first = plainly(database), TrackingServer(folder, database)
            print(f"{kind}, {options.runs} runs; the plain way {plain:.2f} s")
            print(f"{'':20}{'answer':>8}{'':>8}{'again':>8}{'':>8}{'row':>8}{'row again':>11}")
            for name, words in PATHS:
                one = measured(first, f"/kag/many{words.replace(' ', '%20')}")
                costs = "".join(f"{cost:8.2f}{cost / plain:7.1f}x" for cost in (one.answer, one.again))
                print(f"{name:20}{costs}{one.row:8.2f}{one.row_again:11.2f}", flush=True)


if __name__ == "__main__":
    main()
