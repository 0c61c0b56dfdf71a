"""Runs of other programs on the command line: listed, compared, shown and reported by the metrics that count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from tests.changelog.foreign_logs import five
from tests.changelog.run_logs import make_folder, run_record


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five runs of a plain script in a folder."""
    monkeypatch.chdir(tmp_path)
    for record, rows in five().runs:
        make_folder(tmp_path / "runs", record, history=rows)
    return tmp_path / "runs"


def kag(*words: str) -> str:
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200", "NO_COLOR": "1"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_list_has_the_metrics_that_count_in_place_of_those_of_kag(runs: Path) -> None:
    head, first, *_, last = lines(kag("runs", "list"))
    assert " ".join(head) == "run status epochs parent tags val/accuracy (highest) loss (lowest)"
    assert first == ["2026-03-01_00-00-00_base", "finished", "-", "-", "0.81", "0.5"]
    assert last == ["2026-03-05_00-00-00_crash", "aborted", "-", "-", "0.5", "2"]
    assert kag("runs", "list", "--source", "runs") == kag("runs", "list")


def test_beside_runs_of_kag_each_has_its_own(runs: Path) -> None:
    make_folder(runs, run_record(0, "own", val=0.3))
    head, own, *_ = kag("runs", "list").splitlines()
    assert "val AUPRC  test AUPRC" in head
    assert own.split() == ["2025-10-01_00-00-00_own", "finished", "-", "-", "0.300", "0.400", "-", "-", "-"]


def test_runs_are_compared_by_settings_and_metrics(runs: Path) -> None:
    text = kag("runs", "compare", "base", "wide", "--source", "runs")
    _verdict, table = text.split("\n\n", 1)
    found = {line.rsplit(maxsplit=2)[0].strip(): line.split()[-2:] for line in table.splitlines() if line.strip()}
    assert found["model.width"] == ["32", "64"]
    assert found["val/accuracy (highest)"] == ["0.81", "0.85"]
    assert found["loss (lowest)"] == ["0.5", "0.4"]
    page = json.loads(kag("runs", "compare", "base", "wide", "--json"))
    assert page["metrics"] == {"val/accuracy": [0.81, 0.85], "loss": [0.5, 0.4]}
    assert page["settings"] == {"model.width": [32, 64], "dropout": [None, 0.1]}


def test_a_run_is_shown_with_all_its_settings_and_no_default_of_kag(runs: Path) -> None:
    text = kag("runs", "show", "wide")
    assert "All settings" in text
    assert "beside the defaults" not in text
    assert "seed          1" in text
    assert "_step" not in text


def test_a_report_has_the_metrics_the_curves_and_the_run_before(runs: Path) -> None:
    kag("report", "base", "wide", "--out", "report.html")
    page = Path("report.html").read_text()
    assert "val/accuracy (highest)" in page
    assert '<div class="name">val/accuracy</div>\n<div class="value">0.85</div>' in page
    assert "Settings that differ from the run before, 2026-03-02_00-00-00_slow" in page
    assert "<figcaption>loss</figcaption>" in page
    assert "AUPRC" not in page.partition("<body>")[2].partition("<script")[0]


def test_doctor_prints_what_the_rules_find(runs: Path) -> None:
    text = kag("doctor", "crash")
    assert "warning not_finite: loss became NaN at step 10" in text
    assert "error aborted" in text
