"""Every page of the server, with real runs on it: for who cannot see, for who has no mouse, on a dark screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from kag.server.page.routes import routes
from tests.axe import CONTRAST, grave_faults
from tests.browser import Browser, chromium, log_in, look, open_page, require_quiet, wait_for
from tests.page.conftest import FOREIGN, RUNS, TRIALS
from tests.page.every_page import CHOSEN, DRAWN, PAGES, THERE, TOLD, Page, unlooked
from tests.page.foreign import KINDS, alerted, lightning, media, table

PHONE = 380
"""Pixels of its width."""


@pytest.fixture(scope="module")
def site(crowd: Any) -> Any:
    """A server with runs of every program, a sweep and a run that has each of the tabs."""
    return crowd


@pytest.fixture(scope="module")
def browser(site: Any) -> Iterator[Browser]:
    """A browser that is logged in."""
    with chromium() as found:
        log_in(found, site.url, site.key)
        yield found


@pytest.fixture(autouse=True)
def _quiet(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "browser" in request.fixturenames:
        require_quiet(request.getfixturevalue("browser"), request.getfixturevalue("site"), expected)


def expected(said: str) -> bool:
    """What the browser notes where all is well: a logged page runs no script and hears nothing, one is not there."""
    return any(words in said for words in ("Blocked script execution", "origin ('null')", "404 (Not Found)"))


def opened(site: Any, browser: Browser, page: Page, **screen: Any) -> None:
    """Open a page, and do there what is done."""
    open_page(browser, f"{site.url}{page.path}", **screen)
    wait_for(browser, page.ready)
    browser.execute_script(page.act)


def test_no_page_is_forgotten() -> None:
    class Routed:
        assets = type("Assets", (), {"response": None})

    assert list(unlooked(routes(Routed()))) == []  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=PAGES)
def page(site: Any, browser: Browser, request: pytest.FixtureRequest) -> Page:
    """A page that is open for the tests of it, one after the other."""
    found = PAGES[request.param]
    opened(site, browser, found)
    return found


UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
  .filter((one) => !one.labels.length && !one.ariaLabel)"""


def test_axe_finds_no_serious_fault(page: Page, browser: Browser) -> None:
    status = browser.execute_script("return performance.getEntriesByType('navigation')[0].responseStatus")
    assert status == page.status
    assert browser.execute_script("return document.querySelectorAll('h1').length") == 1
    assert browser.execute_script(f"return {UNNAMED}.length") == 0
    assert grave_faults(browser) == []


WALKED = """const found = [];
document.addEventListener('focusin', ({ target }) => {
  const style = getComputedStyle(target);
  found.push({ target, seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 });
});
window.walked = found;"""
CONTROLS = """[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== 'hidden'
    && one.checkVisibility({ visibilityProperty: true })
    && (document.querySelector('dialog[open]') ?? document).contains(one))"""
"""What a person can do something with, of an open dialog alone."""
MISSED = f"""const met = new Set(window.walked.map(({{ target }}) => target));
const told = (one) => one.outerHTML.slice(0, 200);
const inert = (one) => one.closest('a, button, input, select, summary, label, .plot') === null;
return {{
  'never reached': {CONTROLS}.filter((one) => !met.has(one)).map(told),
  'not seen': window.walked.filter(({{ seen }}) => !seen).map(({{ target }}) => told(target)),
  'for a mouse alone': [...document.querySelectorAll('main *')].filter((one) => inert(one) && one.checkVisibility()
    && getComputedStyle(one).cursor === 'pointer').map(told),
}}"""


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page: Page, browser: Browser) -> None:
    untouched = browser.execute_script("return document.activeElement === document.body")
    browser.execute_script(WALKED)
    found = tabbed(browser)
    assert not any(found.values()), found
    if untouched:
        browser.execute_script("window.walked[0].target.focus()")
        assert browser.switch_to.active_element.text == "Skip to content"
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.execute_script("return document.activeElement.id") == "content"


COLOURS = """const style = getComputedStyle(document.documentElement);
return [style.backgroundColor, style.color];"""


def test_a_phone_shows_it_whole_and_a_dark_screen_with_contrast(page: Page, browser: Browser) -> None:
    light = browser.execute_script(COLOURS)
    look(browser, dark=True, width=PHONE)
    wait_for(browser, f"document.documentElement.scrollWidth <= {PHONE}")
    assert browser.execute_script(COLOURS) != light
    assert grave_faults(browser, CONTRAST) == []


@pytest.mark.parametrize("log", ["change log of kag", "change log of others"])
def test_a_phone_names_each_number_of_the_change_log_as_its_column(site: Any, browser: Browser, log: str) -> None:
    opened(site, browser, PAGES[log])
    headings = "return [...document.querySelectorAll('#log thead .num')].map((one) => one.textContent)"
    columns = browser.execute_script(headings)
    look(browser, width=PHONE)
    named = """return [...document.querySelectorAll('#log tbody tr')].map((row) => [...row.cells].map(
        (cell) => getComputedStyle(cell, '::before').content).filter((content) => content !== 'none'))"""
    rows = browser.execute_script(named)
    assert rows
    assert all(row == [f'"{column} "' for column in columns] for row in rows)


def tabbed(browser: Browser) -> dict[str, list[str]]:
    """What is missed by somebody who tabs through all of it, and once more where a page has grown meanwhile."""
    for _ in range(3):
        count = browser.execute_script(f"return {CONTROLS}.length")
        assert count > 0
        ActionChains(browser).send_keys(Keys.TAB * (count + 5)).perform()
        found: dict[str, list[str]] = browser.execute_script(MISSED)
        if not found["never reached"]:
            break
    return found


TABLE, BESIDE = "/kag/few?view=both", "/kag/few/compare?runs=00000002,00000001"
DIALOGS = [
    (Page(TABLE, DRAWN), "#columns", "chooser"),
    (Page(TABLE, DRAWN), "#keys", "chooser"),
    (Page(TABLE, DRAWN, CHOSEN), "#actions [value=delete]", "sure"),
    (Page(BESIDE, DRAWN), "#keys", "chooser"),
]
"""Where a dialog is opened, what opens it, and the dialog."""


@pytest.mark.parametrize(("page", "opener", "name"), DIALOGS)
def test_a_dialog_keeps_the_focus_and_gives_it_back(
    site: Any, browser: Browser, page: Page, opener: str, name: str
) -> None:
    opened(site, browser, page)
    browser.find_element(By.CSS_SELECTOR, opener).send_keys(Keys.ENTER)
    dialog = f"document.getElementById('{name}')"
    wait_for(browser, f"{dialog}.open")
    assert browser.execute_script(f"return {dialog}.contains(document.activeElement)")
    browser.execute_script(WALKED)
    count = browser.execute_script(f"return {CONTROLS}.length")
    ActionChains(browser).send_keys(Keys.TAB * (2 * count)).perform()
    assert browser.execute_script(f"return window.walked.every(({{ target }}) => {dialog}.contains(target))")
    assert browser.execute_script(MISSED)["never reached"] == []
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    wait_for(browser, f"!{dialog}.open")
    assert browser.execute_script("return document.activeElement === document.querySelector(arguments[0])", opener)
    assert browser.current_url == f"{site.url}{page.path}", "nothing was done"


def test_the_rows_of_a_comparison_are_chosen_by_keyboard_and_the_address_keeps_them(
    site: Any, browser: Browser
) -> None:
    opened(site, browser, Page("/kag/foreign/compare?runs=script-008,lightning-000", DRAWN))
    rows = "[...document.querySelectorAll('.matrix tbody th')].map((one) => one.textContent)"
    standard = browser.execute_script(f"return {rows}")
    assert standard[0] == "loss (lowest)"
    for words in (["acc", "optimizer.name"], ["lr"]):
        browser.find_element(By.ID, "keys").send_keys(Keys.ENTER)
        wait_for(browser, "document.getElementById('chooser').open")
        if words != ["lr"]:
            shown = browser.find_elements(By.CSS_SELECTOR, "#choices input:checked")
            assert len(shown) == len(standard)
            for box in shown:
                box.send_keys(Keys.SPACE)
        for word in words:
            browser.find_element(By.ID, "wanted").send_keys(Keys.CONTROL + "a" + Keys.DELETE)
            browser.find_element(By.ID, "wanted").send_keys(word)
            named = f"//div[@id='choices']//label[span='{word}']/input"
            browser.find_element(By.XPATH, named).send_keys(Keys.SPACE)
        browser.find_element(By.CSS_SELECTOR, "#chooser button[value=apply]").send_keys(Keys.ENTER)
        wait_for(browser, f"location.search.includes('{words[-1]}') && {DRAWN}")
    assert browser.execute_script(f"return {rows}") == ["acc", "optimizer.name", "lr"]
    browser.find_element(By.LINK_TEXT, "make base").send_keys(Keys.ENTER)
    wait_for(browser, f"location.search.startsWith('?runs=lightning-000,script-008') && {DRAWN}")
    assert browser.execute_script(f"return {rows}") == ["acc", "optimizer.name", "lr"], "another base, the same rows"
    browser.find_element(By.ID, "keys").send_keys(Keys.ENTER)
    wait_for(browser, "document.getElementById('chooser').open")
    browser.find_element(By.ID, "standard").send_keys(Keys.ENTER)
    wait_for(browser, f"!location.search.includes('keys') && {DRAWN}")
    assert browser.execute_script(f"return {rows}")[0] == "loss (lowest)"


def test_the_first_page_tells_of_all_that_is_there(site: Any, browser: Browser) -> None:
    """A thousand runs of kag, two hundred of other programs and a sweep of two hundred trials on one server."""
    opened(site, browser, PAGES["projects"])
    rows = "[...document.querySelectorAll('table tbody tr')].map((row) => [row.querySelector('a').text, row.innerText])"
    told = {name: text.replace(",", "").split() for name, text in browser.execute_script(f"return {rows}")}
    for name, count in (("many", RUNS), ("foreign", FOREIGN - 1), ("big", TRIALS)):
        assert str(count) in told[f"kag/{name}"]


def test_two_hundred_runs_of_other_programs_are_a_table_curves_and_groups(site: Any, browser: Browser) -> None:
    there = FOREIGN - 1  # one is deleted
    opened(
        site,
        browser,
        Page("/kag/foreign?group=none", f"document.querySelectorAll('#runs tbody tr').length === {there}"),
    )
    names = browser.execute_script("return [...document.querySelectorAll('#runs tbody th a')].map((one) => one.text)")
    assert {name.partition("-")[0] for name in names} == {kind.__name__ for kind in KINDS} | {"untitled", "bare"}
    cells = browser.execute_script("return document.querySelector('#runs').textContent")
    assert not any(word in cells for word in ("undefined", "[object", "null"))
    browser.find_element(By.XPATH, "//button[text()='Both']").send_keys(Keys.ENTER)
    wait_for(browser, DRAWN)
    curves = "[...document.querySelectorAll('#figures figure')].map((one) => Number(one.dataset.curves))"
    wait_for(browser, f"{curves}.every((count) => count > 0)")
    Select(browser.find_element(By.ID, "group")).select_by_value("config:lr")
    wait_for(browser, "document.querySelectorAll('#runs tbody .fold').length > 3")
    wait_for(browser, f"Math.max(...{curves}) < 12")
    browser.find_element(By.CSS_SELECTOR, "#runs tbody .fold").send_keys(Keys.ENTER)
    wait_for(browser, "document.querySelector('#runs tbody .member')")
    Select(browser.find_element(By.ID, "state")).select_by_value("crashed")
    wait_for(browser, "document.querySelectorAll('#runs tbody .state:not(.crashed)').length === 0")


def test_one_run_of_each_program_is_compared_with_any_other_as_the_base(site: Any, browser: Browser) -> None:
    words = [f"{kind.__name__}-{i:03}" for i, kind in enumerate(KINDS)]
    for base in words:
        chosen = ",".join([base, *(word for word in words if word != base)])
        opened(site, browser, Page(f"/kag/foreign/compare?runs={chosen}", DRAWN))
        assert browser.find_element(By.CSS_SELECTOR, ".legend .mark").text == "base"
        assert len(browser.find_elements(By.CSS_SELECTOR, ".legend li")) == len(words)
        wait_for(browser, "document.getElementById('differences').dataset.state === 'shown'")
        assert "undefined" not in browser.find_element(By.TAG_NAME, "main").text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_tab_of_a_run_of_another_program_opens(site: Any, browser: Browser, kind: Any) -> None:
    """By the links of its page, one after the other."""
    i = KINDS.index(kind)
    opened(site, browser, Page(f"/kag/foreign/runs/{kind.__name__}-{i:03}", TOLD))
    labels = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".tabs a")]
    wanted = {"Overview", "System", "Console"}
    wanted |= {"Media"} if kind in (media, table) else set()
    wanted |= {"Files and artifacts"} if kind in (media, table, lightning) else set()
    wanted |= {"Alerts"} if kind is alerted else set()
    assert {label.rstrip(" 0123456789") for label in labels} == wanted
    for label in labels[1:]:
        browser.find_element(By.PARTIAL_LINK_TEXT, label).click()
        wait_for(
            browser, f"document.querySelector('.tabs [aria-current]')?.textContent.includes({json.dumps(label[:5])})"
        )
        wait_for(browser, TABS.get(label.split()[0], THERE))
        assert browser.find_element(By.TAG_NAME, "main").text.strip()


TABS = {
    "Media": "[...document.querySelectorAll('.medium')].every((one) => one.dataset.shown)",
    "System": DRAWN,
    "Console": "document.querySelectorAll('.lines tr').length === 3",
    "Alerts": "document.querySelectorAll('.alert').length === 3",
}
"""Tab -> what is true when all of it is there."""
