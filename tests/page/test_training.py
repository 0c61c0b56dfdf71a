"""The page while `wandb agent` runs a sweep of `kag train`: what a person watches is what is trained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from kag.server.store import Store
from tests.browser import Browser, chromium, logged, open_page, wait_for
from tests.e2e.tracking import Client, TrackingServer
from tests.page.conftest import HUNDREDS
from tests.page.synthetic import add_runs

SPEC = """
name: tiny
epochs: 5002
data: {file: demo.h5, batch_size: 64}
early_stopping: null
model:
  hidden: [8]
  attention: {heads: 2, layers: 1, width: 8, feedforward: 8}
"""
SWEEP = """
program: kag
project: watched
method: grid
metric: {name: val/auprc, goal: maximize}
parameters:
  swa.start: {values: [4, 5000]}
  swa.window: {values: [1]}
command: ["${env}", python, unhurried.py, train, tiny.yaml, track.mode=auto, "${args_no_hyphens}"]
"""
UNHURRIED = """
import time
from kag.cli.main import main
from kag.track.folder import RunFolder

append = RunFolder.append_history

def append_and_rest(folder, row):
    append(folder, row)
    time.sleep(0.25)

RunFolder.append_history = append_and_rest
main()
"""
"""`kag train` with a pause after each epoch: an endless run would else take a core from the browser that watches it."""
TRIALS = "document.querySelectorAll('#trials tbody tr')"


@pytest.fixture
def client(tmp_path: Path, synthetic_file: Path) -> Iterator[Client]:
    """A server of hundreds of runs, and a folder with data, a spec and a sweep of a short and an endless run."""
    server = TrackingServer(tmp_path, f"sqlite:///{tmp_path / 'tracking.db'}")
    store = Store(server.database)
    add_runs(store, HUNDREDS, project="watched", epochs=6)
    store.close()
    server.start()
    found = Client(server, tmp_path)
    (tmp_path / "demo.h5").symlink_to(synthetic_file)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "unhurried.py").write_text(UNHURRIED)
    yield found
    found.close()
    server.kill(15)


@pytest.fixture
def browser(client: Client) -> Iterator[Browser]:
    with chromium() as found:
        open_page(found, f"{client.server.url}/login")
        found.find_element(By.ID, "key").send_keys(client.server.key + Keys.ENTER)
        wait_for(found, "!document.getElementById('key')")
        yield found


@pytest.mark.slow(45, "a browser that watches a sweep sees trials, curves and its end while it trains")
def test_a_sweep_is_watched_while_it_trains(client: Client, browser: Browser) -> None:
    printed = client.wandb("sweep", "sweep.yaml", WANDB_SILENT="false")
    path = re.search(r"wandb agent (\S+)", printed)
    assert path
    entity, project, sweep = path[1].split("/")
    agent = client.agent(sweep, project)
    address = f"{client.server.url}/{entity}/{project}/sweeps/{sweep}"

    open_page(browser, address)
    # Rows are made anew whenever the other trial goes on: nothing of one may be held.
    finished = f"{TRIALS}.length === 2 && {TRIALS}[0].querySelector('.state.finished')"
    cell = wait_for(browser, f"{finished} && {TRIALS}[0].children[2].textContent")
    (record,) = [one for one in records(client) if one["results"]]
    (value,) = [one["value"] for one in record["results"] if one["delivered"] and is_objective(one)]
    assert float(cell) == pytest.approx(value, abs=5e-5)

    running = "document.querySelector('#trials .state.leased')?.closest('tr').querySelector('a')?.href"
    open_page(browser, wait_for(browser, running))
    rows = "parseInt(document.getElementById('rows')?.textContent)"
    wait_for(browser, f"{rows} >= 0")
    seen = browser.execute_script(f"window.same = true; return {rows}")
    wait_for(browser, f"{rows} > {seen}")
    assert browser.execute_script("return window.same"), "the curves grow without the page being loaded again"

    open_page(browser, f"{client.server.url}/{entity}/{project}?state=running")
    wait_for(browser, "document.querySelectorAll('#runs tbody tr').length === 1")
    wait_for(browser, f"document.getElementById('count').textContent === '1 of {HUNDREDS + 2} runs'")

    open_page(browser, address)
    browser.find_element(By.XPATH, "//button[text()='Cancel']").click()
    browser.switch_to.alert.accept()
    agent.ends(code=None)
    open_page(browser, address)
    wait_for(browser, "!document.querySelector('#trials .state.leased')")
    assert len(records(client)) == 2
    assert logged(browser) == []


def records(client: Client) -> list[dict[str, Any]]:
    """Records of the run folders, oldest first."""
    return [json.loads(file.read_text()) for file in sorted((client.folder / "runs").glob("*/record.json"))]


def is_objective(result: dict[str, object]) -> bool:
    return (result["split"], result["metric"]) == ("val", "auprc")
