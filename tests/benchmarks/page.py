"""How fast a browser shows the page: a table of 1,000 runs, and a run of 20,000 history rows.

The figures are the browser's own: navigation timing and first contentful paint, in milliseconds since the request.
`cold` is the first look after the server has started, when it has read nothing yet.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from kag.server.store import Store
from tests.browser import Browser, chromium, log_in, open_page, wait_for
from tests.e2e.tracking import TrackingServer
from tests.page.synthetic import add_runs, add_script_run

RUNS, ROWS, TIMES = 1_000, 20_000, 5

TABLE = f"document.querySelectorAll('#runs tbody tr').length === {RUNS}"
CURVES = "document.getElementById('figures').dataset.drawn"
FINDINGS = "document.getElementById('findings').dataset.asked"
PAGES = (
    ("table of 1,000 runs", "/kag/many", TABLE, "every row"),
    ("kag run of 20,000 epochs", "/kag/deep/runs/00000000", CURVES, "curves"),
    ("script of 20,000 rows", "/kag/deep/runs/script", CURVES, "curves"),
    ("run among 1,000", "/kag/many/runs/00000001", FINDINGS, "findings"),
    ("change log of 1,000 runs", "/kag/many/changelog", "document.readyState === 'complete'", "complete"),
)

TIMING = """
const [page] = performance.getEntriesByType("navigation");
const [paint] = performance.getEntriesByName("first-contentful-paint");
return [page.responseEnd, paint.startTime, page.loadEventEnd];
"""


@contextmanager
def server(folder: Path) -> Iterator[TrackingServer]:
    """A server with the runs."""
    made = TrackingServer(folder, f"sqlite:///{folder / 'tracking.db'}")
    store = Store(made.database)
    add_runs(store, RUNS)
    add_runs(store, 1, project="deep", epochs=ROWS)
    add_script_run(store, ROWS, project="deep")
    store.close()
    made.start()
    try:
        yield made
    finally:
        made.kill(signal.SIGTERM)


def look(browser: Browser, address: str, done: str) -> tuple[float, float, float, float]:
    """Open a page; end of the answer, first paint, load, and when the condition held, in milliseconds."""
    open_page(browser, address)
    wait_for(browser, f"({done}) && performance.getEntriesByName('first-contentful-paint').length")
    ended = float(browser.execute_script("return performance.now()"))
    answered, painted, loaded = (float(value) for value in browser.execute_script(TIMING))
    return answered, painted, loaded, ended


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as site, chromium() as browser:
        log_in(browser, site.url, site.key)
        print(f"{'page':28}{'':6}{'answer':>8}{'paint':>8}{'load':>8}   done (ms, median of {TIMES} when warm)")
        for name, path, done, what in PAGES:
            cold = look(browser, f"{site.url}{path}", done)
            warm = [look(browser, f"{site.url}{path}", done) for _ in range(TIMES)]
            for when, times in (("cold", cold), ("warm", tuple(median(column) for column in zip(*warm, strict=True)))):
                answered, painted, loaded, ended = times
                print(f"{name:28}{when:6}{answered:8.0f}{painted:8.0f}{loaded:8.0f}{ended:8.0f} {what}")


if __name__ == "__main__":
    main()
