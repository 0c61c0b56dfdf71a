"""How fast a browser shows 1,000 runs of 20 epochs in kag, and in the newest Trackio and MLflow.

    python -m tests.benchmarks trackers [--runs 1000] [--only kag trackio mlflow]

It installs the others, so it is run only where it is asked for. Each tracker has the same runs, a server and a browser
of its own, and is looked at in turn: the table, the chart, the grouping. `s` is from the address, or the press, until
what was waited for stands in the document and a frame was drawn; beside it what the server and the browser computed
meanwhile. What a tracker does not show of all runs is said with the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from selenium.common.exceptions import TimeoutException

from tests.benchmarks._databases import serving
from tests.benchmarks.trackers.programs import MLFLOW, TRACKIO, Program, processor_seconds
from tests.benchmarks.trackers.runs import keep, made
from tests.browser import Browser, chromium, log_in, look, wait_for

EPOCHS = 20
LIMIT = 120
"""Seconds after which nobody waits any longer."""

RECORD = """
(() => {
  const since = %s;
  const check = () => {
    const there = document.body && (%s);
    if (there) requestAnimationFrame(() => setTimeout(() => { window.held = performance.now() - since; }));
    else setTimeout(check, 20);
  };
  check();
})()
"""


class Look(NamedTuple):
    """What is waited for."""

    name: str
    address: str
    done: str
    """JavaScript that holds once it is there."""
    press: str = ""
    """JavaScript that asks for it on the page of the address, if the address alone does not."""
    ready: str = ""
    """JavaScript that holds once that can be pressed."""
    said: str = ""
    """What of the runs is not shown."""


class Spent(NamedTuple):
    """Seconds that one look took; None where it took more than anybody waits."""

    wall: float | None
    server: float
    browser: float


@dataclass(frozen=True)
class Page:
    """A tracker's page."""

    looks: tuple[Look, ...]
    program: Program | None = None
    """None: kag itself."""


def choose(menu: str, item: str) -> str:
    """JavaScript that opens a menu and presses one of what it holds, as soon as it does."""
    pressed = "found.dispatchEvent(new MouseEvent('mousedown', {bubbles: true, cancelable: true})); found.click();"
    look_for = f"const found = {item}; if (!found) setTimeout(press, 20); else {{ {pressed} }}"
    return f"{menu}; (function press() {{ {look_for} }})();"


def with_text(selector: str, text: str) -> str:
    """JavaScript: the element of a selector whose text ends so; before it there may be a mark."""
    return f"[...document.querySelectorAll({selector!r})].find((one) => one.textContent.trim().endsWith({text!r}))"


TABLE, AGAIN, CHART, GROUPED = "first row, first look", "first row, second look", "one metric of all", "group by seed"
ROWS = "document.querySelector('#runs tbody tr')"
GRID = "document.querySelector('.ag-center-cols-container .ag-row, .ag-pinned-left-cols-container .ag-row')"
PLOTS = "document.querySelectorAll('.metrics-page canvas').length >= 3"
MANY = "/kag/many?group=none"
RUNS = "/#/experiments/1/runs"
OPEN = f"{with_text('button', 'Group by')}.dispatchEvent(new PointerEvent('pointerdown', {{bubbles: true, button: 0}}))"
PAGES = {
    "kag": Page(
        (
            Look(TABLE, MANY, ROWS),
            Look(AGAIN, MANY, ROWS),
            Look(CHART, f"{MANY}&view=curves&keys=val/auprc", "document.getElementById('figures').dataset.drawn"),
            Look(
                GROUPED,
                MANY,
                "document.querySelectorAll('#runs tbody tr[data-group]').length === 5",
                "const group = document.getElementById('group'); group.value = 'config:seed';"
                "group.dispatchEvent(new Event('change'));",
                ready=f"{ROWS} && !document.getElementById('count').textContent.includes('follow')",
            ),
        )
    ),
    "trackio": Page(
        (
            Look(TABLE, "/runs?project=many", "document.querySelector('tbody tr')"),
            Look(AGAIN, "/runs?project=many", "document.querySelector('tbody tr')"),
            Look(
                CHART,
                "/?project=many",
                PLOTS,
                said="all three metrics at once",
            ),
            Look(
                GROUPED,
                "/?project=many",
                "document.querySelectorAll('.run-group-header').length === 5",
                choose(
                    "document.querySelector('.group-by-row input').focus();"
                    "document.querySelector('.group-by-row input').click()",
                    with_text(".group-by-row [role=option]", "seed"),
                ),
                ready=PLOTS,
                said="of the list of runs beside the charts",
            ),
        ),
        TRACKIO,
    ),
    "mlflow": Page(
        (
            Look(TABLE, RUNS, GRID, said="100 runs"),
            Look(AGAIN, RUNS, GRID, said="100 runs"),
            Look(
                CHART,
                f"{RUNS}?compareRunsMode=CHART",
                "document.querySelectorAll('.main-svg .scatterlayer .trace').length >= 10",
                said="three metrics of the newest 10 runs",
            ),
            Look(
                GROUPED,
                RUNS,
                "/seed: ?[0-4]/.test(document.body.innerText)",
                choose(OPEN, with_text("[role=menuitemcheckbox]", "seed")),
                ready=f"{GRID} && {with_text('button', 'Group by')}",
                said="of the newest 100",
            ),
        ),
        MLFLOW,
    ),
}


@contextmanager
def opened(name: str, file: Path, folder: Path) -> Iterator[tuple[str, int, str]]:
    """A tracker with the runs of a file: its address, its process, and the key that opens it, if any does."""
    program = PAGES[name].program
    if program is not None:
        with program.serving(file, folder / name) as (address, process):
            yield address, process, ""
        return
    database = f"sqlite:///{folder / 'tracking.db'}"
    keep(file, database)
    with serving(folder, database) as server:
        assert server.process is not None
        yield server.url, server.process.pid, server.key


def measured(browser: Browser, server: int, address: str, one: Look) -> Spent:
    """Look once, from an empty page or from the page before."""
    driver = browser.service.process.pid
    before = processor_seconds(server), processor_seconds(driver)
    try:
        if one.press:
            browser.execute_script(f"window.held = undefined; {RECORD % ('performance.now()', one.done)}; {one.press}")
        else:
            browser.get("about:blank")
            before = processor_seconds(server), processor_seconds(driver)
            record = {"source": RECORD % ("0", one.done)}
            kept = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", record)
            browser.get(address + one.address)
            browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", kept)
        wall = float(wait_for(browser, "window.held")) / 1000
    except TimeoutException:
        wall = LIMIT + 1.0
    spent = processor_seconds(server) - before[0], processor_seconds(driver) - before[1]
    return Spent(wall if wall <= LIMIT else None, *spent)


def looked_at(name: str, file: Path, folder: Path) -> dict[str, Spent]:
    """Every figure of a tracker; who was not there in time is asked no more that needs the same page."""
    found: dict[str, Spent] = {}
    with opened(name, file, folder) as (address, server, key), chromium() as browser:
        browser.set_script_timeout(LIMIT)
        browser.command_executor.client_config.timeout = 2 * LIMIT
        look(browser)
        if key:
            log_in(browser, address, key)
        for one in PAGES[name].looks:
            if one.press:
                measured(browser, server, address, one._replace(press="", done=one.ready))
            found[one.name] = measured(browser, server, address, one)
            print(f"  {name:8} {one.name:24} {_line(found[one.name])}  {one.said}", flush=True)
    return found


def _line(spent: Spent) -> str:
    wall = f"over {LIMIT}" if spent.wall is None else f"{spent.wall:.2f}"
    return f"{wall:>9} s {spent.server:9.2f} server {spent.browser:9.2f} browser"


def main() -> None:
    """Print the figures as they come, then one table of them with the ratios to kag's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=PAGES, default=[*PAGES])
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder, file = Path(place), Path(place) / "runs.json"
        file.write_text(json.dumps(made(options.runs, EPOCHS)))
        for name in options.only:
            program = PAGES[name].program
            print(name, "" if program is None else program.install(), flush=True)
            found[name] = looked_at(name, file, folder)
    _table(found)


def _table(found: dict[str, dict[str, Spent]]) -> None:
    print(f"\n{'wall seconds':24}" + "".join(f"{name:>22}" for name in found))
    for what in (TABLE, AGAIN, CHART, GROUPED):
        print(f"{what:24}" + "".join(f"{_ratio(one[what], found.get('kag', one)[what]):>22}" for one in found.values()))


def _ratio(spent: Spent, ours: Spent) -> str:
    if ours.wall is None or spent is ours:
        return f"over {LIMIT}" if spent.wall is None else f"{spent.wall:.2f}"
    if spent.wall is None:
        return f"over {LIMIT} (x >{LIMIT / ours.wall:.0f})"
    return f"{spent.wall:.2f} (x {spent.wall / ours.wall:.1f})"


if __name__ == "__main__":
    sys.exit(main())
