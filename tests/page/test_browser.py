"""The page in headless Chromium against a real server: a thousand runs, a sweep, and a run that logs meanwhile."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from kag.changelog.formats import as_json
from kag.changelog.table import table
from kag.server.context import Patience
from kag.server.page.held import Project
from kag.server.page.records import Diagnoses, Ledger
from kag.server.store import Store
from kag.view.metrics import chosen
from tests.browser import Browser, chromium, log_in, logged, open_page, require_quiet, wait_for
from tests.e2e.tracking import Client, TrackingServer
from tests.page.conftest import HUNDREDS, RUNS, TRIALS
from tests.page.searching import search, start
from tests.page.synthetic import HOSTILE

LIVE = """
import pathlib, time, wandb
def wait(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.05)
settings = wandb.Settings(x_file_stream_transmit_interval=1.0)
with wandb.init(project="live", entity="kag", id="alive", name="a live run", settings=settings) as run:
    for step in range(3):
        run.log({"loss": 3.0 - step})
    wait("more")
    for step in range(2):
        run.log({"loss": 0.5 - step / 10})
    wait("end")
"""
KAG = "from kag.cli.main import main; main()"


@pytest.fixture(scope="module")
def site(crowd: Any) -> Any:
    """A server with a thousand runs, a project with one whose name is meant to harm, and a sweep that goes on."""
    crowd.sweep = start(crowd.graphql, "searched")
    search(crowd.graphql, stream_to(crowd), "searched", crowd.sweep, 4)
    return crowd


def stream_to(server: TrackingServer) -> Callable[[str, dict[str, Any]], None]:
    """Sends what a run of the sweep logs."""

    def stream(run: str, body: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        address = f"{server.url}/files/kag/searched/{run}/file_stream"
        with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), headers)) as answer:
            assert answer.status == 200

    return stream


@pytest.fixture(scope="module")
def browser(site: Any) -> Iterator[Browser]:
    """A browser that is logged in."""
    with chromium() as found:
        log_in(found, site.url, site.key)
        yield found


@pytest.fixture(autouse=True)
def _quiet(site: Any, browser: Browser) -> Iterator[None]:
    yield
    require_quiet(browser, site)


def names(browser: Browser) -> list[str]:
    """Names of the runs in the table, from above."""
    script = "return [...document.querySelectorAll('#runs tbody th')].map((one) => one.textContent.trim())"
    found: list[str] = browser.execute_script(script)
    return found


def shown(browser: Browser, count: int) -> None:
    """Wait until the table has so many rows."""
    wait_for(browser, f"document.querySelectorAll('#runs tbody tr').length === {count}")


def type_into(browser: Browser, name: str, text: str) -> None:
    """Replace the text of a field."""
    field = browser.find_element(By.ID, name)
    field.send_keys(Keys.CONTROL + "a" + Keys.DELETE)
    field.send_keys(text)


def answered(browser: Browser, text: str) -> None:
    """Wait until the server has said which runs this filter leaves."""
    wait_for(browser, f"document.getElementById('runs').dataset.asked?.split('\\n')[0] === {json.dumps(text)}")


def test_a_thousand_runs_are_all_there(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/many")
    shown(browser, RUNS)
    assert names(browser)[0] == f"run{RUNS - 1:04}"
    assert names(browser)[-1] == "run0000"
    assert f"page: {site.url}/ (log in with an API key)" in site.log.read_text()


def test_a_hostile_name_is_text_wherever_it_stands(site: Any, browser: Browser) -> None:
    for path in ("harmed?q=onerror", "harmed/runs/hostile", "harmed/compare?runs=hostile,00000001", "harmed/changelog"):
        open_page(browser, f"{site.url}/kag/{path}")
        wait_for(browser, lambda page: "onerror" in page.find_element(By.TAG_NAME, "main").text)
        if "runs/" in path:
            wait_for(browser, "document.getElementById('findings').dataset.asked")
        assert browser.title != "stolen"
        assert browser.execute_script("return document.images.length") == 0


def test_runs_are_filtered_by_words_conditions_states_and_tags(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds")
    shown(browser, HUNDREDS)
    type_into(browser, "text", "run025")
    shown(browser, 10)
    assert browser.find_element(By.ID, "count").text == f"10 of {HUNDREDS} runs"
    type_into(browser, "text", "val/auprc > 0.4 run01 seed = 3")
    answered(browser, "val/auprc > 0.4 run01 seed = 3")
    assert 0 < len(names(browser)) < 20
    assert all(int(name[3:]) % 5 == 3 for name in names(browser))
    type_into(browser, "text", "loss.kind=bce run00")
    shown(browser, 100)
    type_into(browser, "text", "")
    shown(browser, HUNDREDS)
    Select(browser.find_element(By.ID, "tag")).select_by_value("baseline")
    shown(browser, sum(i % 11 == 0 and i % 3 != 0 for i in range(HUNDREDS)))
    Select(browser.find_element(By.ID, "state")).select_by_value("failed")
    shown(browser, sum(i % 11 == 0 and i % 3 != 0 and i % 17 == 3 for i in range(HUNDREDS)))
    browser.refresh()
    shown(browser, sum(i % 11 == 0 and i % 3 != 0 and i % 17 == 3 for i in range(HUNDREDS)))
    type_into(browser, "text", "there is no such run")
    wait_for(browser, "!document.getElementById('none').hidden")


def test_runs_are_sorted_by_keyboard_and_the_address_remembers_it(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds?q=run")
    shown(browser, HUNDREDS)
    head = browser.find_element(By.XPATH, "//thead//button[text()='val/auprc']")
    head.send_keys(Keys.ENTER)
    wait_for(browser, "document.querySelector('th[aria-sort=descending]')?.textContent === 'val/auprc'")
    best = names(browser)[0]
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(browser, "document.querySelector('th[aria-sort=ascending]')?.textContent === 'val/auprc'")
    shown(browser, HUNDREDS)
    assert names(browser)[-1] == best
    assert "sort=summary%3Aval%2Fauprc" in browser.current_url
    browser.refresh()
    shown(browser, HUNDREDS)
    assert names(browser)[-1] == best


def test_columns_are_chosen_in_a_dialog(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds")
    shown(browser, HUNDREDS)
    browser.find_element(By.ID, "columns").click()
    wait_for(browser, "document.getElementById('chooser').open")
    type_into(browser, "wanted", "weight_decay")
    box = browser.find_element(By.CSS_SELECTOR, "#choices label:not([hidden]) input")
    assert box.get_attribute("value") == "config:optimizer.weight_decay"
    box.click()
    browser.find_element(By.CSS_SELECTOR, "#chooser button[value=apply]").click()
    wait_for(
        browser, "[...document.querySelectorAll('thead button')].some((one) => one.title.endsWith('weight_decay'))"
    )
    assert "columns=" in browser.current_url
    shown(browser, HUNDREDS)


def legend(browser: Browser) -> list[str]:
    """What the runs of a comparison are called."""
    return [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".legend a:first-of-type")]


def test_chosen_runs_are_compared(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds?q=run000")
    shown(browser, 10)
    for box in browser.find_elements(By.CSS_SELECTOR, "#runs tbody input")[:2]:
        box.click()
    browser.find_element(By.LINK_TEXT, "Compare 2").click()
    wait_for(browser, "document.getElementById('figures')?.dataset.drawn > 3")
    wanted = ["seed 4, temperature 0.5, lr 0.0003", "seed 3, temperature 2.5, lr 0.0002"]
    assert legend(browser) == wanted, "runs are named by what differs"
    assert browser.execute_script("return document.querySelectorAll('.legend').length") == 1
    assert browser.find_element(By.CSS_SELECTOR, "#results td.best").text.startswith("★ 0.4")
    assert browser.find_element(By.CSS_SELECTOR, "#results td[data-run='00000008'] .apart").text[0] in "+-"
    body = browser.find_element(By.TAG_NAME, "main").text
    assert "optimizer.lr" in body
    assert "swa.start" not in body
    browser.find_element(By.ID, "other").send_keys("00000001" + Keys.ENTER)
    wait_for(browser, "document.querySelectorAll('.legend li').length === 3")
    browser.find_elements(By.LINK_TEXT, "make base")[0].click()
    wait_for(browser, "location.search.startsWith('?runs=00000008,00000009')")
    assert legend(browser)[0] == wanted[1]
    assert browser.find_element(By.CSS_SELECTOR, ".legend li:first-child .mark").text == "base"


def told(browser: Browser, text: str) -> None:
    """Wait until the page says what was done."""
    wait_for(browser, f"document.getElementById('actions-said').textContent.includes({json.dumps(text)})")


def test_all_that_fit_are_tagged_and_deleted_and_come_back(site: Any, browser: Browser) -> None:
    """By the keyboard alone, among a thousand runs."""
    open_page(browser, f"{site.url}/kag/many?q=run01&group=none")
    shown(browser, 100)
    browser.find_element(By.CSS_SELECTOR, "#more summary").send_keys(Keys.ENTER)
    browser.find_element(By.ID, "choose-all").send_keys(Keys.ENTER)
    assert browser.find_element(By.ID, "chosen-count").text == "100 runs chosen"
    tag = browser.switch_to.active_element
    assert tag.get_attribute("id") == "tag-word"
    tag.send_keys("reviewed" + Keys.ENTER)
    told(browser, "100 runs tagged “reviewed”")
    wait_for(browser, "document.querySelectorAll('#runs tbody tr .tag').length >= 100")
    browser.find_element(By.CSS_SELECTOR, "#runs tbody input").send_keys(Keys.SPACE)
    assert browser.find_element(By.ID, "every").text == "Choose all 100 runs that fit"
    browser.find_element(By.CSS_SELECTOR, "#actions [value=delete]").send_keys(Keys.ENTER)
    browser.find_element(By.CSS_SELECTOR, "#sure [value=delete]").send_keys(Keys.ENTER)
    told(browser, "1 run deleted")
    shown(browser, 99)
    browser.find_element(By.XPATH, "//div[@id='actions-said']//button[text()='Undo']").send_keys(Keys.ENTER)
    told(browser, "1 run restored")
    shown(browser, 100)


def test_a_note_is_edited_and_stands_in_the_change_log(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/few/runs/00000001")
    wait_for(browser, "document.getElementById('findings').dataset.asked")
    assert "highest val AUPRC so far" in browser.find_element(By.ID, "findings").text
    type_into(browser, "note", f"kept for averaging {HOSTILE}")
    browser.find_element(By.XPATH, "//button[text()='Save notes']").click()
    wait_for(browser, "document.readyState === 'complete' && location.hash === '#notes'")
    browser.find_element(By.LINK_TEXT, "Change log").click()
    wait_for(browser, "document.getElementById('log')")
    assert browser.find_element(By.CSS_SELECTOR, ".remark").text == f"kept for averaging {HOSTILE}"
    type_into(browser, "text", "kept averaging")
    assert browser.find_element(By.ID, "count").text == "1 of 3 rows"


def test_the_change_log_is_searched_beyond_the_rows_that_it_shows(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds/changelog")
    assert browser.find_element(By.ID, "count").text == f"250 newest of {HUNDREDS} rows"
    type_into(browser, "text", "run0003")
    wait_for(browser, f"document.getElementById('count').textContent === '1 of {HUNDREDS} rows'")
    rows = "return [...document.querySelectorAll('#log tbody tr:not([hidden]) th a')].map((one) => one.textContent)"
    assert browser.execute_script(rows) == ["run0003"]
    type_into(browser, "text", "")
    wait_for(browser, f"document.getElementById('count').textContent === '{HUNDREDS} rows'")


def test_the_table_of_runs_ends_where_the_window_does(site: Any, browser: Browser) -> None:
    for width, height in ((1300, 900), (390, 700)):
        open_page(browser, f"{site.url}/kag/hundreds", width=width, height=height)
        shown(browser, HUNDREDS)
        assert browser.execute_script("return document.documentElement.scrollHeight") == height
        assert browser.execute_script("return document.documentElement.scrollWidth") == width


def test_the_pages_tell_what_the_change_log_of_the_command_line_tells(site: Any, tmp_path: Path) -> None:
    client = Client(site, tmp_path)
    printed = client.run(
        sys.executable,
        "-c",
        KAG,
        "changelog",
        "--source",
        "wandb:kag/harmed",
        "--format",
        "json",
        "--write",
        "log.json",
    )
    store = Store(site.database)
    with store.read() as connection:
        number = connection.exec_driver_sql("select id from projects where name = 'harmed'").scalar_one()
        runs = Project(number, Patience(0.0, 300.0)).known(connection, now=0.0).runs
        ledger = Ledger.of(runs)
        rows = table(Diagnoses().siblings(connection, ledger, chosen(ledger.records.values())))
    store.close()
    assert json.loads(as_json(rows)) == json.loads((tmp_path / "log.json").read_text()), printed


def test_pages_follow_a_run_that_logs(site: Any, browser: Browser, tmp_path: Path) -> None:
    client = Client(site, tmp_path)
    try:
        client.start(sys.executable, str(client.script(LIVE)))
        query = 'query{project(name:"live",entityName:"kag"){run(name:"alive"){historyLineCount}}}'
        client.until(lambda: ((site.graphql(query)["project"] or {}).get("run") or {}).get("historyLineCount") == 3)
        open_page(browser, f"{site.url}/kag/live/runs/alive")
        browser.execute_script("window.same = true")
        wait_for(browser, "document.getElementById('rows').textContent === '3 logged rows'")
        (tmp_path / "more").touch()
        wait_for(browser, "document.getElementById('rows').textContent === '5 logged rows'")
        assert browser.find_element(By.ID, "state").text == "running"
        browser.find_element(By.LINK_TEXT, "Runs").click()
        wait_for(browser, "document.querySelector('#runs .state.running')")
        browser.execute_script("window.same = true")
        (tmp_path / "end").touch()
        wait_for(browser, "document.querySelector('#runs .state.finished')")
        assert browser.execute_script("return window.same")
    finally:
        client.close()


def test_seeds_are_a_row_that_unfolds_and_is_chosen_as_one(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/scored")
    shown(browser, 2)
    assert names(browser) == ["2 of 3 seeds wide-2 without seed 2", "3 seeds base-2"]
    assert browser.find_element(By.ID, "count").text == "6 runs in 2 rows"
    fold = browser.find_element(By.CSS_SELECTOR, ".fold")
    assert fold.get_attribute("aria-expanded") == "false"
    fold.send_keys(Keys.ENTER)
    shown(browser, 5)
    assert names(browser)[1:4] == ["wide-2", "wide-1", "wide-0"]
    assert browser.switch_to.active_element.get_attribute("aria-expanded") == "true"
    browser.find_element(By.CSS_SELECTOR, ".group input").click()
    assert browser.find_element(By.ID, "compare").text == "Compare 3"
    assert browser.execute_script("return document.querySelectorAll('tr.member.chosen').length") == 3
    browser.find_element(By.CSS_SELECTOR, ".member input").click()
    assert browser.execute_script("return document.querySelector('.group input').checked") is False
    type_into(browser, "text", "wide-1")
    shown(browser, 1)
    assert names(browser) == ["wide-1"], "a group of which some runs do not fit is none"
    type_into(browser, "text", "")
    Select(browser.find_element(By.ID, "group")).select_by_value("none")
    shown(browser, 6)
    assert browser.current_url.endswith("?group=none")
    open_page(browser, browser.current_url)
    shown(browser, 6)
    assert browser.execute_script("return document.querySelectorAll('.fold').length") == 0


def board(browser: Browser, count: int) -> list[str]:
    """Wait until each chart of the board has so many curves; the names of the charts."""
    ready = f"[...document.querySelectorAll('#figures figure')].every((one) => one.dataset.curves === '{count}')"
    wait_for(browser, f"document.getElementById('figures').dataset.drawn > 0 && {ready}")
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#figures figure')].map((one) => one.dataset.name)"
    )
    return found


def test_curves_stand_beside_the_table_and_follow_its_filter(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/many?group=none")
    shown(browser, RUNS)
    browser.find_element(By.XPATH, "//button[text()='Both']").send_keys(Keys.ENTER)
    assert board(browser, RUNS) == ["val/auprc", "train/loss"]
    assert "view=both" in browser.current_url
    type_into(browser, "text", "run000")
    assert board(browser, 10)
    eye = browser.find_element(By.CSS_SELECTOR, "#runs tbody .eye")
    assert eye.get_attribute("aria-label") == "Curve of run0009"
    eye.send_keys(Keys.ENTER)
    board(browser, 9)
    assert "hide=00000009" in browser.current_url
    browser.refresh()
    board(browser, 9)
    browser.find_element(By.ID, "unhide").click()
    board(browser, 10)
    browser.find_element(By.ID, "keys").click()
    wait_for(browser, "document.getElementById('chooser').open")
    type_into(browser, "wanted", "alpha_mean")
    browser.find_element(By.CSS_SELECTOR, "#choices label:not([hidden]) input").click()
    browser.find_element(By.CSS_SELECTOR, "#chooser button[value=apply]").click()
    wait_for(browser, "document.getElementById('figures').dataset.drawn === '3'")
    assert browser.execute_script("return document.documentElement.scrollHeight") == 900, (
        "the page ends with the window"
    )


def test_groups_are_bands_and_what_is_chosen_above_the_curves_stays(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/hundreds?view=both&group=none&keys=val/auprc")
    board(browser, HUNDREDS)
    Select(browser.find_element(By.ID, "group")).select_by_value("config:seed")
    board(browser, 5)
    shown(browser, 5)
    assert browser.find_element(By.CSS_SELECTOR, "#runs tbody td.num").text.count(" ± ") == 1
    assert "standard deviation" in browser.find_element(By.CSS_SELECTOR, "#figures .note").text
    Select(browser.find_element(By.ID, "axis")).select_by_value("step")
    wait_for(browser, "location.search.includes('axis=step')")
    browser.find_element(By.ID, "smooth").send_keys(Keys.ARROW_RIGHT * 3)
    browser.find_element(By.ID, "log-y").send_keys(Keys.ENTER)
    assert not browser.find_element(By.ID, "reset").is_displayed()
    browser.find_element(By.CSS_SELECTOR, "[data-way=in]").send_keys(Keys.ENTER)
    wait_for(browser, "!document.getElementById('reset').hidden")
    for word in ("smooth=0.03", "log=1", "zoom=1.25", "group=config%3Aseed"):
        assert word in browser.current_url
    browser.refresh()
    board(browser, 5)
    assert browser.find_element(By.ID, "smooth").get_attribute("value") == "0.03"
    assert browser.find_element(By.ID, "log-y").get_attribute("aria-pressed") == "true"
    browser.find_element(By.ID, "reset").send_keys(Keys.ENTER)
    wait_for(browser, "document.getElementById('reset').hidden && !location.search.includes('zoom')")


DIFFERENCES = ["scores-difference", "scores-proteins-val", "scores-proteins-test"]


def pictures(browser: Browser, place: str) -> list[str]:
    """Names of the figures of a part of the page, each of them drawn and told to a screen reader."""
    found = f"[...document.querySelectorAll('#{place} figure')]"
    wait_for(browser, f"{found}.every((one) => one.querySelector('canvas'))")
    assert browser.execute_script(f"return {found}.every((one) => one.querySelector('.plot').ariaLabel)")
    names: list[str] = browser.execute_script(f"return {found}.map((one) => one.dataset.name)")
    return names


def test_scores_are_drawn_when_somebody_comes_near_them(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/scored/runs/s4", height=500)
    wait_for(browser, "document.getElementById('findings').dataset.asked")
    assert browser.execute_script("return document.getElementById('scores').dataset.state") == "waiting"
    browser.execute_script("document.getElementById('scores').scrollIntoView()")
    wait_for(browser, "document.getElementById('scores').dataset.state === 'shown'")
    assert pictures(browser, "own") == ["scores-precision", "scores-reliability"]
    assert pictures(browser, "beside") == DIFFERENCES
    told = browser.execute_script("return document.querySelector('[data-name=scores-difference] .plot').ariaLabel")
    assert told.startswith("Paired difference of wide-1 from base-1, difference, 95 % interval; val AUPRC +0.")
    notes = browser.find_element(By.CSS_SELECTOR, "[data-name=scores-proteins-val]").text
    assert "lost most: v00 -0." in notes


def test_groups_of_seeds_are_compared_as_bands(site: Any, browser: Browser) -> None:
    every = ",".join(f"s{number}" for number in range(6))
    for width in (1300, 390):
        open_page(browser, f"{site.url}/kag/scored/compare?runs={every}", width=width)
        wait_for(browser, "document.getElementById('differences').dataset.state === 'shown'")
        assert pictures(browser, "differences") == DIFFERENCES
        wait_for(browser, "document.getElementById('figures').dataset.drawn")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.find_element(By.LINK_TEXT, "Each seed by itself").click()
    wait_for(browser, "location.search.includes('seeds=apart') && document.getElementById('differences').dataset.state")
    assert pictures(browser, "differences") == DIFFERENCES[:1]
    browser.find_element(By.LINK_TEXT, "Group seeds").click()
    wait_for(browser, "!location.search.includes('apart') && document.getElementById('differences').dataset.state")


COUNTED = """window.drawings = new Map();
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...room) {
  drawings.set(this.canvas, (drawings.get(this.canvas) ?? 0) + 1);
  return clear.apply(this, room);
};"""
DRAWINGS = "[...document.querySelectorAll('figure canvas')].map((one) => drawings.get(one))"


def test_a_figure_is_drawn_once_whatever_comes_beside_it(site: Any, browser: Browser) -> None:
    """The room of each depends on the others: those of a row are equally high, the first takes what the last leave."""
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNTED})
    for page, figures in (("few/runs/00000001", 8), ("scored/compare?runs=s0,s1,s2,s3,s4,s5", 6)):
        open_page(browser, f"{site.url}/kag/{page}")
        wait_for(browser, f"{DRAWINGS}.length === {figures}")
        frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
        browser.execute_async_script(frames)
        assert browser.execute_script(f"return {DRAWINGS}") == [1] * figures
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


OVERTAKEN = """const [done] = arguments;
const place = document.getElementById("figures");
const { name } = performance.getEntriesByType("resource").find((one) => one.name.includes("figures.js"));
const { draw } = await import(name);
const { figures } = await (await fetch(`${location.pathname}/course.json`)).json();
const older = draw(place, figures.map((one) => ({ ...one, name: `older ${one.name}` })));
await draw(place, figures.slice(0, 2));
await older;
done([[...place.children].map((one) => one.dataset.name), figures.slice(0, 2).map((one) => one.name),
  place.dataset.drawn, [...window.drawings.keys()].filter((one) => !one.isConnected).length]);"""


def test_figures_that_come_while_others_are_drawn_take_their_place(site: Any, browser: Browser) -> None:
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNTED})
    open_page(browser, f"{site.url}/kag/few/runs/00000001")
    wait_for(browser, f"{DRAWINGS}.length === 8")
    browser.execute_script("window.drawings.clear()")
    names, wanted, drawn, for_nothing = browser.execute_async_script(f"(async () => {{ {OVERTAKEN} }})()")
    assert (names, drawn) == (wanted, "2")
    assert for_nothing <= 1, "those that nobody wants any more are not drawn"
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def pressed(browser: Browser, *keys: str) -> None:
    """Press keys where the focus is."""
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def test_media_of_a_run_are_shown_and_can_do_nothing(site: Any, browser: Browser) -> None:
    for width, dark in ((1300, False), (390, True)):
        open_page(browser, f"{site.url}/kag/stored/runs/shown/media", width=width, height=3000, dark=dark)
        wait_for(browser, "[...document.querySelectorAll('.medium')].every((one) => one.dataset.shown)")
        wait_for(browser, "document.querySelector('.medium.image img').naturalWidth === 80")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.find_elements(By.CSS_SELECTOR, ".histogram canvas")
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, ".html iframe"))
    wait_for(browser, lambda page: page.find_element(By.TAG_NAME, "h1").text == "inside")
    browser.switch_to.default_content()
    assert all("Blocked script execution" in one for one in logged(browser))
    assert browser.title == "Media · a shown run · stored"


def test_a_step_is_chosen_and_a_table_ordered_by_keyboard_alone(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/stored/runs/shown/media", height=2000)
    wait_for(browser, "document.querySelector('.medium.image').dataset.shown === '2/0'")
    browser.find_element(By.CSS_SELECTOR, ".image input[type=range]").send_keys("")
    pressed(browser, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    wait_for(browser, "document.querySelector('.medium.image').dataset.shown === '0/0'")
    assert browser.switch_to.active_element.get_attribute("aria-valuetext") == "step 0"
    assert browser.find_element(By.CSS_SELECTOR, ".image figcaption").text == HOSTILE
    wait_for(browser, "document.querySelector('.medium.table').dataset.shown")
    browser.find_element(By.LINK_TEXT, "Open the table").send_keys(Keys.ENTER)
    wait_for(browser, "location.pathname.endsWith('/table')")
    for first in ("row0", "row149"):
        browser.find_element(By.PARTIAL_LINK_TEXT, "score").send_keys(Keys.ENTER)
        wait_for(browser, f"document.querySelector('tbody td').textContent === '{first}'")
    logged(browser)  # that the script of the framed page was blocked


def test_the_other_tabs_of_a_run(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/stored/runs/shown")
    wait_for(browser, "document.getElementById('tail').textContent.endsWith('ValueError: bad\\n')")
    browser.find_element(By.PARTIAL_LINK_TEXT, "System").click()
    wait_for(browser, "document.getElementById('figures')?.dataset.drawn === '1'")
    browser.find_element(By.LINK_TEXT, "Console").click()
    wait_for(browser, "document.querySelectorAll('.lines tr').length === 201")
    browser.find_element(By.LINK_TEXT, "First").click()
    wait_for(browser, "document.querySelectorAll('.lines tr').length === 1000")
    browser.find_element(By.LINK_TEXT, "Next error").click()
    wait_for(browser, "location.hash === '#l1201'")
    assert browser.find_element(By.CSS_SELECTOR, "tr:target td").text == "ValueError: bad"
    browser.find_element(By.PARTIAL_LINK_TEXT, "Alerts").click()
    wait_for(browser, "document.querySelector('.alert.error')")
    assert browser.find_element(By.CSS_SELECTOR, ".alert strong").text == HOSTILE
    browser.find_element(By.PARTIAL_LINK_TEXT, "Files and artifacts").click()
    wait_for(browser, lambda page: len(page.find_elements(By.LINK_TEXT, "Download")) == 5)


def test_a_sweep_has_pictures_trials_and_buttons(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/searched/sweeps/{site.sweep}")
    wait_for(browser, "document.getElementById('figures').dataset.drawn === '5'")
    assert browser.execute_script("return document.querySelectorAll('#figures figure:has(canvas)').length") == 5
    results = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#trials tbody td:nth-child(3)")]
    assert results == [*sorted(results[:-1], reverse=True), "-"]
    browser.find_element(By.XPATH, "//button[text()='Pause']").click()
    wait_for(browser, "document.querySelector('#progress .state')?.textContent === 'paused'")
    search_state = 'query($n: String!){project(name:"searched"){sweep(sweepName:$n){state}}}'
    assert site.graphql(search_state, n=site.sweep)["project"]["sweep"]["state"] == "PAUSED"
    browser.find_element(By.XPATH, "//button[text()='Resume']").click()
    wait_for(browser, "document.querySelector('#progress .state')?.textContent === 'running'")


def test_a_wrong_key_is_refused_and_a_log_out_ends_it(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/few")
    browser.find_element(By.XPATH, "//button[text()='Log out']").click()
    wait_for(browser, "location.pathname === '/login'")
    open_page(browser, f"{site.url}/kag/few/changelog")
    assert "/login?next=/kag/few/changelog" in browser.current_url
    browser.find_element(By.ID, "key").send_keys("a" * 40 + Keys.ENTER)
    wait_for(browser, "document.querySelector('[role=alert]')?.textContent.startsWith('This key opens nothing here')")
    assert logged(browser), "the browser notes that an answer was no 200"
    browser.find_element(By.ID, "key").send_keys(site.key + Keys.ENTER)
    wait_for(browser, "location.pathname === '/kag/few/changelog'")


def trial_names(browser: Browser) -> list[str]:
    """Names of the trials in the table, from above."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#trials tbody th')].map((one) => one.textContent)"
    )
    return found


SLICE = "echarts.getInstanceByDom(document.querySelector('#slices [data-name=\"slice-model.dropout\"] .plot'))"
PARALLEL = "echarts.getInstanceByDom(document.querySelector('#figures [data-name=parallel] .plot'))"


def test_a_stretch_of_an_axis_narrows_the_trials_and_the_address_keeps_it(site: Any, browser: Browser) -> None:
    open_page(browser, f"{site.url}/kag/big/sweeps/bigsweep")
    wait_for(browser, "document.getElementById('timeline').dataset.drawn")
    assert len(trial_names(browser)) == TRIALS
    by_hand_on = "type: 'axisAreaSelect', parallelAxisId: 'model.dropout', intervals: [[0.1, 0.2]]"
    browser.execute_script(f"{PARALLEL}.dispatchAction({{{by_hand_on}}})")
    wait_for(browser, f"document.querySelectorAll('#trials tbody tr').length < {TRIALS}")
    by_hand = trial_names(browser)
    dots = f"{SLICE}.getOption().series.flatMap((one) => one.data).filter((one) => one.itemStyle.opacity > 0.5)"
    wait_for(browser, f"{dots}.length === {len(by_hand)}")
    assert 0 < len(by_hand) < TRIALS / 2
    assert browser.find_element(By.ID, "brushed").text == f"{len(by_hand)} of {TRIALS - 10} trials"
    browser.refresh()
    wait_for(browser, "document.getElementById('timeline').dataset.drawn")
    assert trial_names(browser) == by_hand
    browser.find_element(By.ID, "unbrush").send_keys(Keys.ENTER)
    assert len(trial_names(browser)) == TRIALS
    assert "brush" not in browser.current_url
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    for side, value in (("from", "0.1"), ("to", "0.2")):
        browser.find_element(By.CSS_SELECTOR, f"[aria-label='model.dropout {side}']").send_keys(value + Keys.TAB)
    assert trial_names(browser) == by_hand, "what a hand does, the keyboard does"
    browser.find_element(By.XPATH, "//label[contains(., 'focal')]/input").send_keys(Keys.SPACE)
    assert 0 < len(trial_names(browser)) < len(by_hand)


WHERE = """(plot) => {
  const chart = echarts.getInstanceByDom(plot);
  const named = chart.getOption().series.flatMap((one) => one.data).filter((one) => one.name);
  const { name, value } = named.reduce((low, one) => (one.value[1] < low.value[1] ? one : low));
  const at = value.length === 3 ? [(value[0] + value[1]) / 2, value[2]] : value;
  const box = plot.getBoundingClientRect();
  const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, at);
  return [name, Math.round(x - box.width / 2), Math.round(y - box.height / 2)];
}"""
"""The trial that lies lowest, where no other hides it, and its place from the middle of a plot."""


def test_a_press_on_a_trial_opens_its_run(site: Any, browser: Browser) -> None:
    for place in ("#slices [data-name='slice-model.dropout']", "#timeline figure"):
        open_page(browser, f"{site.url}/kag/demo/sweeps/demosweep")
        wait_for(browser, "document.getElementById('timeline').dataset.drawn")
        plot = browser.find_element(By.CSS_SELECTOR, f"{place} .plot")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
        name, x, y = browser.execute_script(f"return ({WHERE})(arguments[0])", plot)
        ActionChains(browser).move_to_element_with_offset(plot, x, y).click().perform()
        wait_for(browser, "location.pathname.includes('/runs/')")
        assert browser.current_url.endswith(f"/runs/demosweep-{int(name.removeprefix('demo-')):04}")
        wait_for(browser, "document.getElementById('findings').dataset.asked")
