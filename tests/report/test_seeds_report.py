"""The report of replicates: one row, one curve, what they scored; from folders of runs, as a person asks for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.view.colour import colours_of
from tests.report.test_page import Page
from tests.scored_runs import scored_runs, write_scored

NAMES = [run.record.name for run in scored_runs()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scored") / "runs"
    write_scored(folder)
    return folder


def report(runs: Path, *words: str) -> tuple[Page, dict[str, Any]]:
    """The page, and its figures by their ids."""
    out = runs.parent / "report.html"
    done = CliRunner().invoke(
        app, ["report", *words, "--runs", str(runs), "--out", str(out), "--force"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    page = Page(out.read_text(encoding="utf-8"))
    return page, {one["id"]: json.loads(one["data-figure"]) for one in page.all("figure") if "data-figure" in one}


def test_a_run_is_drawn_beside_its_parent(runs: Path) -> None:
    page, figures = report(runs, "wide-0")
    drawn = [name.removeprefix("run-1-scores-") for name in figures if "scores" in name]
    assert drawn == ["precision", "reliability", "difference", "proteins-val", "proteins-test"]
    assert "Scores beside the parent 2025-10-01_00-00-00_base-0" in page.text
    forest = figures["run-1-scores-difference"]
    assert (forest["kind"], forest["title"]) == ("forest", "Paired difference of wide-0 from base-0")
    assert len(forest["rows"]) == 16
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_run_says_what_its_seeds_come_to_beside_those_of_its_parent(runs: Path) -> None:
    alone, _ = report(runs, "wide-0")
    (said,) = re.findall(r"This run is (one of 3 seeds: .*?)\.\s", alone.text)
    assert re.fullmatch(
        r"one of 3 seeds: val AUPRC mean 0\.\d{3}, sd 0\.\d{3}, 0\.\d{3} to 0\.\d{3}, n = 2 of 3; "
        r"against the 3 seeds of 2025-10-01_00-00-00_base-0: mean 0\.\d{3}, sd 0\.\d{3}, .* n = 3; "
        r"paired difference \+0\.\d{3} \[.*\], P\(higher\) \d\.\d\d, over 3 and 2 seeds",
        said,
    )
    assert "Compare its seeds" not in alone.text
    both, _ = report(runs, "wide-0", "wide-1")
    assert both.text.count(said) == 2
    assert both.text.count("Compare its seeds") == 2
    mixed, _ = report(runs, "wide-0", "base-0")
    assert (mixed.text.count("This run is one of 3 seeds"), "Compare its seeds" in mixed.text) == (2, False)


def test_a_run_without_scores_says_so_and_the_page_is_whole(runs: Path) -> None:
    page, figures = report(runs, "wide-2")
    assert not any("scores" in name for name in figures)
    assert "2025-10-06_00-00-00_wide-2 kept no scores of val." in page.text
    assert (
        "unpaired, val, test: 2025-10-06_00-00-00_wide-2 has no number on" in page.text
        or "has no number on val" in page.text
    )
    assert "run-1-auprc" in figures


def test_replicates_are_one_row_and_one_curve_and_unfold(runs: Path) -> None:
    page, figures = report(runs, *NAMES)
    assert "6 runs in 2 groups that differ in more than the seed" in page.text
    assert "2025-10-03_00-00-00_base-2 and 2 like it" in page.text
    assert "2 of 3without seed 2" in page.text
    assert "Each run by itself" in page.text
    chart = figures["comparison-compare_auprc"]
    assert [line["label"] for line in chart["lines"]] == ["base-0, mean of 3", "wide-0, mean of 2"]
    oldest = ("2025-10-01_00-00-00_base-0", "2025-10-04_00-00-00_wide-0")
    assert [band["colour"] for band in chart["bands"]] == colours_of(oldest), "that of the first run of each"
    assert figures["comparison-scores-difference"]["title"].endswith("wide-0 (2 of 3 seeds) from base-0 (3 seeds)")


def test_runs_that_differ_in_more_are_not_grouped(runs: Path) -> None:
    page, figures = report(runs, "base-0", "wide-1")
    assert "2 runs; each has one colour in all charts, averaged weights are dashed." in page.text
    assert "like it" not in page.text
    assert figures["comparison-compare_auprc"]["bands"] == []
    assert len(figures["comparison-scores-difference"]["rows"]) == 16


def test_broken_scores_of_one_run_break_no_page(runs: Path, tmp_path: Path) -> None:
    write_scored(tmp_path / "runs")
    broken = next((tmp_path / "runs").glob("*wide-1")) / "scores" / "val.npz"
    broken.write_bytes(b"PK nothing")
    page, figures = report(tmp_path / "runs", "base-1", "wide-1")
    assert "the scores of 2025-10-05_00-00-00_wide-1 on val cannot be read: " in page.text
    assert {row["label"].split("/")[0].split()[0] for row in figures["comparison-scores-difference"]["rows"]} == {
        "test"
    }
    assert "run-1-scores-precision" in figures
