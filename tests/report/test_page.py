from __future__ import annotations

import base64
import hashlib
import json
import math
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from kag import names
from kag.finding import Finding, Severity
from kag.report.markup import markdown
from kag.report.page import render_report
from kag.report.reading import ReportedRun
from kag.report.sections import report_of_runs, report_of_sweep
from kag.track.record import RunRecord, Status
from tests.changelog.run_logs import run_record, run_result
from tests.report.every_figure import HOSTILE

NOW = datetime(2025, 11, 1, 12, tzinfo=UTC)
DIGEST = "ab" * 32


class Page(HTMLParser):
    """Elements, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.blocks: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._inside: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag in self.blocks:
            self.blocks[tag].append("")
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.blocks:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.blocks[self._inside[-1]][-1] += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def reported(**fields: Any) -> ReportedRun:
    result = run_result("val", 0.5, weights_digest=DIGEST, data_digest="cd" * 32, ci_low=0.4, ci_high=0.6, epoch=3)
    record = run_record(results=(result,), name=HOSTILE, change=HOSTILE, tags=(HOSTILE,), **fields)
    finding = Finding(code="gate_settled", severity=Severity.WARNING, sentence=HOSTILE, evidence={"alpha": 1 / 3})
    rows = [{names.EPOCH: 0.0, names.OBJECTIVE: 0.5}, {names.EPOCH: 1.0, names.OBJECTIVE: math.nan}]
    return ReportedRun(record, rows, notes=f"# {HOSTILE}\n\n![far](http://example.org/a.png)", findings=(finding,))


def page_of(*runs: ReportedRun) -> Page:
    return Page(render_report(report_of_runs(runs, [run.record for run in runs]), NOW))


def test_every_text_of_a_run_is_text() -> None:
    said = {"code": "no_effect", "severity": "warning", "sentence": HOSTILE}
    failure = {"error": "TypeError", "message": HOSTILE}
    page = page_of(reported(failure=failure, status=Status.ABORTED, found={"findings": [said]}))
    assert page.all("img") == []
    assert page.text.count(HOSTILE) >= 7
    assert [attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)] == []


def test_numbers_stand_beside_the_digest_of_their_weights() -> None:
    text = page_of(reported()).text
    for part in ("0.500", "[0.400, 0.600]", DIGEST[:12], "cdcdcdcdcdcd", "alpha = 0.333", "2025-11-01 12:00"):
        assert part in text


def test_figures_are_json_that_charts_can_read() -> None:
    (figure,) = (json.loads(found["data-figure"]) for found in page_of(reported()).all("figure"))
    assert (figure["kind"], figure["name"]) == ("chart", "auprc")
    assert figure["lines"][0]["y"] == [0.5, None]


def test_the_policy_allows_these_scripts_and_styles_and_no_request() -> None:
    page = page_of(reported())
    (policy,) = (found["content"] for found in page.all("meta") if "http-equiv" in found)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind in ("script", "style"):
        digests = [hashlib.sha256(block.encode()).digest() for block in page.blocks[kind]]
        assert rules[f"{kind}-src"].split() == [f"'sha256-{base64.b64encode(d).decode()}'" for d in digests]
    assert [found for found in page.all("script") if "src" in found] == []
    assert [found["href"] for found in page.all("link")] == ["data:,"]
    assert not any("style" in attributes for _, attributes in page.elements)


def test_notes_are_markdown_without_tags_pictures_and_scripts() -> None:
    html = markdown("**bold** <b>tag</b>\n\n| a |\n|---|\n| 1 |\n\n![p](http://x.org/p.png) [j](javascript:alert(1))")
    assert "<strong>bold</strong>" in html
    assert "<td>1</td>" in html
    assert "&lt;b&gt;tag&lt;/b&gt;" in html
    assert "<img" not in html
    assert "javascript:alert(1)" not in [value for found in Page(html).all("a") for value in found.values()]


def test_a_parent_known_gives_the_settings_that_differ() -> None:
    parent = run_record(config={"epochs": 8, "seed": 1, "model.dropout": 0.1})
    child = run_record(1, "child", config={"epochs": 9, "seed": 1, "model.dropout": 0.1}, parent=parent.id)
    text = page_of(ReportedRun(child, [], parent=parent)).text
    assert f"Settings that differ from the parent {parent.id}" in text
    assert "Settings beside the defaults" not in text
    alone = page_of(ReportedRun(run_record(config={"epochs": 9}), [])).text
    assert "Settings beside the defaults" in alone


def test_several_runs_are_compared_first_and_each_has_a_section() -> None:
    runs = [ReportedRun(run_record(day, f"r{day}", config={"epochs": day}), reported().rows) for day in range(14)]
    report = report_of_runs(runs, [run.record for run in runs])
    page = Page(render_report(report, NOW))
    assert [found["id"] for found in page.all("section")] == ["comparison", *(f"run-{n}" for n in range(1, 15))]
    links = {found["href"] for found in page.all("a")}
    assert {f"#{found['id']}" for found in page.all("section")} <= links
    assert len(report.comparisons[0].figures[0].lines) == 12  # type: ignore[union-attr]
    assert "The charts show the first 12" in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_sweep_over_averaging_lists_the_averages_beside_what_was_delivered() -> None:
    def averaging(window: int, average: float) -> RunRecord:
        results = (run_result("val", 0.5), run_result("val", average, weights="averaged", delivered=False))
        return run_record(window, f"t{window}", config={"swa.start": 2, "swa.window": window}, results=results)

    records = [averaging(1, 0.3), averaging(2, 0.4)]
    (overview,) = report_of_sweep("s1", records, [ReportedRun(records[1], [])], records).comparisons
    assert overview.summary.endswith("judged by val AUPRC of the averaged weights.")
    assert overview.runs.columns[-2:] == ("val AUPRC, averaged", "val AUPRC, delivered")
    assert [[cell.text for cell in row[-2:]] for row in overview.runs.rows] == [
        ["0.400", "0.500"],
        ["0.300", "0.500"],
    ]


def test_a_sweep_lists_its_trials_best_first_and_details_the_best() -> None:
    records = [run_record(n, f"t{n}", val=0.1 * n, config={"swa.start": n % 2, "swa.window": n // 2}) for n in range(4)]
    best = [ReportedRun(record, reported().rows) for record in records[:1:-1]]
    report = report_of_sweep("s1", records, best, records)
    overview, compared = report.comparisons
    assert [row[0].text for row in overview.runs.rows] == [record.id for record in records[::-1]]
    assert overview.runs.columns == ("run", "status", "swa.start", "swa.window", "val AUPRC")
    assert [figure.name for figure in overview.figures] == ["parallel", "trials", "expected", "importance", "windows"]
    assert [row[0].text for row in compared.runs.rows] == [run.record.id for run in best]
    assert [section.record.id for section in report.runs] == [records[3].id]
