"""What a person sees: figures drawn by a real browser, from disk, without a request."""

from __future__ import annotations

import base64
import html
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from kag.cli.main import app
from kag.report import assets
from kag.report.figure import Chart, Figure, Line, Mark, Span, as_json
from kag.report.page import render_report
from kag.report.reading import ReportedRun
from kag.report.sections import report_of_runs
from tests.axe import CONTRAST, grave_faults
from tests.browser import Browser, logged, look, open_page, requested, wait_for
from tests.changelog.run_logs import epochs, run_record
from tests.report.conftest import SWEEP
from tests.report.every_figure import CHART, EVERY, GRAPH, HOSTILE, OTHER_CHART, TRICKY

DRAWN = "[...document.querySelectorAll('figure[data-figure]')].every(one => one.querySelector('canvas, svg'))"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
CHART_OF = "echarts.getInstanceByDom(document.querySelector('#{} .plot'))"

BOXES = """
const chart = %s;
chart.getZr().flush();
const shown = chart.getZr().storage.getDisplayList(true);
const box = (text) => {
  const element = shown.find((one) => one.style && one.style.text === text);
  const rect = element.getBoundingRect().clone();
  rect.applyTransform(element.getComputedTransform());
  return [rect.x, rect.y, rect.x + rect.width, rect.y + rect.height];
};
return [...arguments[0].map(box), chart.getModel().getComponent('grid').coordinateSystem.getRect().y];
"""
"""Where texts of a chart stand: left, top, right, bottom; and the top of its plot."""

Pixels = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


@pytest.fixture(scope="module")
def figures_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of every kind of figure whose scripts are files, under the policy of the server's pages."""
    folder = tmp_path_factory.mktemp("figures")
    for name in (*assets.SCRIPTS, *assets.STYLES):
        (folder / name).write_text(assets.read(name), encoding="utf-8")
    head = f'<!doctype html><meta charset="utf-8"><title>figures</title><link rel="icon" href="data:,">{links()}'
    # From disk each file is an origin of its own, so 'self' is written out.
    policy = POLICY.replace("'self'", "file:")
    body = "".join(
        f'<figure id="{figure.name}" data-figure="{html.escape(json.dumps(as_json(figure)))}"></figure>'
        for figure in EVERY
    )
    page = folder / "index.html"
    rule = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page.write_text(f'{head.replace("<title>", f"{rule}<title>")}<div class="figures">{body}</div>', encoding="utf-8")
    return page


def links() -> str:
    scripts = "".join(f'<script src="{name}" defer></script>' for name in assets.SCRIPTS)
    return "".join(f'<link rel="stylesheet" href="{name}">' for name in assets.STYLES) + scripts


def picture(browser: Browser, name: str) -> Pixels:
    """The canvas of a figure on its page's ground."""
    script = f"return {CHART_OF.format(name)}.getDataURL({{pixelRatio: 1, backgroundColor: arguments[0]}})"
    url = browser.execute_script(script, "#ffffff")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def count(pixels: Pixels, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=2) < 24).sum())


def redraw(browser: Browser, name: str, figure: Figure) -> None:
    script = f"kagCharts.update(document.getElementById('{name}'), arguments[0])"
    browser.execute_script(script, as_json(figure))


def test_every_kind_is_drawn_under_a_strict_policy(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    assert logged(browser) == []
    assert browser.title == "figures"
    for figure in EVERY:
        if figure.kind != "graph":
            assert (picture(browser, figure.name) < 250).any(axis=2).mean() > 0.003, figure.name
    captions = browser.execute_script("return [...document.querySelectorAll('figcaption')].map(one => one.textContent)")
    assert captions == [figure.title for figure in EVERY]


def test_names_are_text_wherever_they_stand(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    chart = CHART_OF.format("chart")
    browser.execute_script(f"{chart}.dispatchAction({{type: 'showTip', seriesIndex: 1, dataIndex: 0}})")
    shown = f"{chart}.getZr().storage.getDisplayList().map(one => one.style.text ?? '').join('\\n')"
    wait_for(browser, f"{shown}.includes('epoch 0')")
    texts = browser.execute_script(f"return {shown}")
    assert f"{HOSTILE}  0.1" in texts
    assert f"{TRICKY}  0.3" in texts.replace("\u200b", "")
    assert browser.execute_script("return document.images.length") == 0
    assert browser.title == "figures"


def test_a_screen_reader_hears_what_the_chart_shows(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    told = browser.execute_script("return document.querySelector('#other .plot').getAttribute('aria-label')")
    assert told == "Other, loss by epoch; loss from 0 to 7"
    told = browser.execute_script("return document.querySelector('#dots .plot').getAttribute('aria-label')")
    assert told.endswith(f"the diagonal is no difference; 3 of {HOSTILE}; 2 of joined; {TRICKY}; third")


def test_a_lineage_has_links_and_only_safe_ones(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    found = browser.execute_script(
        "return [...document.querySelectorAll('#graph a')].map(one => [one.getAttribute('href'), one.textContent])"
    )
    assert [href for href, _ in found] == ["#target"]
    texts = browser.execute_script("return document.querySelector('#graph svg').textContent")
    assert all(edge.label in texts for edge in GRAPH.edges)
    assert browser.execute_script("return document.querySelectorAll('#graph .current').length") == 1


def test_colours_follow_the_screen_and_paper_is_light(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    blue, sky = (0x00, 0x72, 0xB2), (0x56, 0xB4, 0xE9)
    assert count(picture(browser, "other"), blue) > 100
    look(browser, dark=True)
    wait_for(browser, f"{CHART_OF.format('other')}.getOption().textStyle.color === '#e8edf3'")
    assert count(picture(browser, "other"), sky) > 100
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert count(picture(browser, "other"), blue) > 100
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert count(picture(browser, "other"), sky) > 100


def test_charts_take_the_width_there_is(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri(), width=1400)
    wait_for(browser, DRAWN)
    look(browser, width=400)
    wait_for(browser, f"{CHART_OF.format('parallel')}.getWidth() < 400")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    wait_for(browser, f"{CHART_OF.format('parallel')}.getOption().parallel[0].layout === 'vertical'")


@pytest.mark.parametrize(("width", "marks"), [(1300, (1, 6)), (390, (1, 6, 3))])
def test_labels_stand_above_the_curves_and_clear_of_each_other(
    browser: Browser, figures_page: Path, width: int, marks: tuple[int, ...]
) -> None:
    open_page(browser, figures_page.as_uri(), width=width)
    wait_for(browser, DRAWN)
    for mark in marks:
        best, span = Mark(mark, "best epoch"), Span(2.5, 7.5, "SWA 3 to 7")
        redraw(browser, "chart", replace(CHART, marks=(best,), spans=(span,)))
        boxes = browser.execute_script(BOXES % CHART_OF.format("chart"), ["best epoch", "SWA 3 to 7"])
        (left, top, right, bottom), (other_left, other_top, other_right, other_bottom), plot = boxes
        assert max(bottom, other_bottom) <= plot + 1
        assert right <= other_left or other_right <= left or bottom <= other_top or other_bottom <= top, boxes


def test_ticks_that_differ_are_written_differently(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    ticks = [0.001, 0.0009998, 0.0009996, 0.1 + 0.2, 12.5, 0, 1e7, -2.5e-5]
    words = ["0.001", "9.998e-4", "9.996e-4", "0.3", "12.5", "0", "1e+7", "-2.5e-5"]
    assert browser.execute_script("return arguments[0].map(kagDrawing.tick)", ticks) == words


def test_an_update_shows_new_values_and_keeps_the_zoom(browser: Browser, figures_page: Path) -> None:
    open_page(browser, figures_page.as_uri())
    wait_for(browser, DRAWN)
    zoom = f"{CHART_OF.format('other')}.getOption().dataZoom[0]"
    browser.execute_script("kagCharts.zoom({from: 1, to: 2})")
    linked = f"{CHART_OF.format('chart')}.getOption().dataZoom[0]"
    for one in (zoom, linked):
        wait_for(browser, f"{one}.startValue === 1 && {one}.endValue === 2")
    longer = Chart("other", "Other, later", "epoch", "loss", (Line("loss", range(20), [0.5] * 20),), axis="epoch")
    redraw(browser, "other", longer)
    option: Any = browser.execute_script(f"return {CHART_OF.format('other')}.getOption()")
    assert [point[1] for point in option["series"][0]["data"]] == [0.5] * 20
    assert (option["dataZoom"][0]["startValue"], option["dataZoom"][0]["endValue"]) == (1, 2)
    assert browser.execute_script("return document.querySelector('#other figcaption').textContent") == "Other, later"
    redraw(browser, "other", CHART)
    redraw(browser, "other", OTHER_CHART)
    assert len(browser.execute_script(f"return {CHART_OF.format('other')}.getOption().series")) == 2
    assert logged(browser) == []


@pytest.mark.parametrize("words", [("plain",), ("--sweep", SWEEP)], ids=["run", "sweep"])
def test_a_report_of_real_runs_opens_from_disk_without_a_request(
    browser: Browser, real_runs: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", *words, "--runs", str(real_runs), "--out", str(out)])
    assert done.exit_code == 0, done.output
    open_page(browser, out.as_uri())
    wait_for(browser, DRAWN)
    assert requested(browser) == [out.as_uri()]
    assert logged(browser) == []
    titles = browser.execute_script("return [...document.querySelectorAll('figcaption')].map(one => one.textContent)")
    light = grave_faults(browser)
    look(browser, dark=True)
    assert (light, grave_faults(browser, CONTRAST)) == ([], [])
    assert {"Validation AUPRC", "Gate alpha (share of the centre)", "Learning rate"} <= set(titles)
    if words[0] == "--sweep":
        assert {"Parameters and results", "Start and window of weight averaging", "Trials in order"} <= set(titles)
        assert "Lineage" in titles


def test_a_request_would_be_seen_and_is_refused(browser: Browser, real_runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    CliRunner().invoke(app, ["report", "plain", "--runs", str(real_runs), "--out", str(out)])
    far = '<img src="http://127.0.0.1:9/far.png"></body>'
    out.write_text(out.read_text(encoding="utf-8").replace("</body>", far), encoding="utf-8")
    open_page(browser, out.as_uri())
    assert requested(browser) == [out.as_uri(), "http://127.0.0.1:9/far.png"]
    assert "violates the following Content Security Policy" in "".join(logged(browser))


def test_a_run_with_a_hostile_name_is_text(browser: Browser, tmp_path: Path) -> None:
    runs = [ReportedRun(run_record(day, HOSTILE, val=0.5), epochs(0.1, 0.2), notes=HOSTILE) for day in range(2)]
    out = tmp_path / "report.html"
    report = report_of_runs(runs, [run.record for run in runs])
    out.write_text(render_report(report, datetime(2025, 11, 1, tzinfo=UTC)), encoding="utf-8")
    open_page(browser, out.as_uri())
    wait_for(browser, DRAWN)
    assert requested(browser) == [out.as_uri()]
    assert logged(browser) == []
    assert browser.title == "2 runs"
    assert browser.execute_script("return document.images.length") == 0
    assert HOSTILE in browser.execute_script("return document.querySelector('main').textContent")
