"""Pictures of the page for the README, of any server: `python -m tests.page.screenshots URL KEY RUN SWEEP FOREIGN`.

A run of kag, a sweep and a run of another program are named by their paths, `ENTITY/PROJECT/runs/ID` and
`ENTITY/PROJECT/sweeps/ID`.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from tests.browser import Browser, chromium, log_in, open_page, screenshot, wait_for

PICTURES = Path(__file__).parents[2] / ".github"
WIDTH = 1200
HEIGHTS = {"runs": 700, "run": 1225, "sweep": 1105, "foreign": 1100}
"""Pixels that are kept of a page at most."""

COLOURS = 256
"""Of a picture: a page has few, and a third of the bytes says them."""

BELOW = 20
"""Pixels of margin below what a page shows."""

CONTENT = "return document.querySelector('main > :nth-last-child(1 of :not(script, dialog, [hidden], noscript))')"


def take(browser: Browser, address: str, ready: str, name: str) -> None:
    """Write the upper part of a page as `.github/NAME.png`."""
    open_page(browser, address, width=WIDTH, height=HEIGHTS[name])
    wait_for(browser, ready)
    path = PICTURES / f"{name}.png"
    screenshot(browser, path)
    end = int(browser.execute_script(f"{CONTENT}.getBoundingClientRect().bottom")) + BELOW
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        upper = picture.convert("RGB").crop((0, 0, WIDTH, min(HEIGHTS[name], end)))
    upper.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main(url: str, key: str, run: str, sweep: str, foreign: str) -> None:
    """The table of the runs beside their curves, one run, a sweep, and a run of another program."""
    table = run.rpartition("/runs/")[0]
    with chromium() as browser:
        log_in(browser, url, key)
        take(browser, f"{url}/{table}?view=both", "document.getElementById('figures').dataset.drawn", "runs")
        take(browser, f"{url}/{run}", "document.getElementById('findings').dataset.asked", "run")
        take(browser, f"{url}/{foreign}", "document.getElementById('findings').dataset.asked", "foreign")
        take(browser, f"{url}/{sweep}", "document.getElementById('figures').dataset.drawn", "sweep")


if __name__ == "__main__":
    main(*sys.argv[1:])
