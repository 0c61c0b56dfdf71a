"""Each fact through every surface: the terminal, the change log in its formats, a report, the page. One text each."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kag.changelog.collect import collect
from kag.changelog.formats import as_csv, as_html, as_json
from kag.changelog.markdown import render
from kag.changelog.table import table
from kag.cli.runs import app
from kag.report.page import render_report
from kag.report.reading import read_runs
from kag.report.sections import report_of_runs
from kag.spec import build_spec
from kag.spec.flat import flat
from kag.text import column, digest, duration, number, setting, size, three_decimals
from kag.track.record import RunRecord
from kag.track.result import ExternalEvaluation
from kag.view.changes import changed_settings, differing_settings, phrase
from kag.view.words import NamedRuns
from tests.changelog.run_logs import MemorySource, make_folder, run_record, run_result
from tests.october import october
from tests.page.conftest import reader as reader
from tests.page.conftest import visitor as visitor
from tests.page.synthetic import add_record
from tests.server.conftest import kept as kept

WEIGHTS, DATA = "5e" * 32, "d1" * 32
RAMP = {"start": 0.3, "end": 0.05, "epochs": 15, "shape": "cosine"}
RAMP_TEXT = "0.3 to 0.05 in 15 cosine"
AUPRC, INTERVAL = 0.3015, (0.2815, 0.3225)
EXTERNAL, BENCHMARK = 0.2345, "c0" * 32


def record_of(number: int, name: str, **overrides: Any) -> RunRecord:
    spec = build_spec(october({"name": name, "data": {"file": "sites.h5"}}), overrides)
    fields = {"weights_digest": WEIGHTS, "data_digest": DATA, "ci_low": INTERVAL[0], "ci_high": INTERVAL[1]}
    first = run_record(number, name)
    return run_record(
        number,
        name,
        config=flat(spec),
        results=(run_result("val", AUPRC, **fields),),
        data_digest=DATA,
        end=first.start + timedelta(hours=1, minutes=5),
        world={"processes": 1 + number, "device": "cpu", "effective_batch": 64},
    )


class Surfaces:
    """Two runs, the second compared with the first, wherever they are shown."""

    def __init__(self, folder: Path, site: Any) -> None:
        before = record_of(0, "base")
        external = run_result("all", EXTERNAL, delivered=False, weights_digest=WEIGHTS, data_digest=BENCHMARK)
        seen = ExternalEvaluation(file="coach420.h5", when=before.start, results=(external,))
        after = record_of(1, "ramped", **{"model.gate.penalty.weight": RAMP}).model_copy(
            update={"parent": before.id, "evaluations": (seen,)}
        )
        self.runs = [before, after]
        for record in self.runs:
            make_folder(folder, record)
            add_record(site.store, record, project="one")
        site.restart()
        site.log_in()
        self.folder, self.site = folder, site
        source = MemorySource(list(self.runs))
        siblings = collect(source)
        rows = table(siblings)
        self.log = {
            "markdown": render(rows),
            "csv": as_csv(rows),
            "html": text_of(as_html(rows)),
            "json": as_json(rows),
        }
        found = read_runs(source, siblings, [record.id for record in self.runs])
        self.report = text_of(render_report(report_of_runs(found, self.runs), datetime(2025, 11, 1, tzinfo=UTC)))

    def terminal(self, *words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--runs", str(self.folder)])
        assert done.exit_code == 0, done.output
        return done.stdout

    def page(self, path: str) -> str:
        answer = self.site.browse(f"/kag/one{path}")
        assert answer.status_code == 200
        return text_of(answer.text)

    def tables(self) -> dict[str, str]:
        """Every table that shows the second run's numbers."""
        return {
            "list": self.terminal("list"),
            "show": self.terminal("show", "ramped"),
            "compare": self.terminal("compare", "base", "ramped"),
            "report": self.report,
            "page": self.page("/runs/ramped"),
            "page, compare": self.page("/compare?runs=base,ramped"),
            **{form: text for form, text in self.log.items() if form != "json"},
        }


def text_of(page: str) -> str:
    """What a reader of HTML sees, and what scripts of the page are fed."""
    return html.unescape(re.sub(r"<(?!/?script)[^>]*>", " ", page.replace("<wbr>", "")))


@pytest.fixture
def surfaces(tmp_path: Path, reader: Any) -> Surfaces:
    return Surfaces(tmp_path / "runs", reader)


def test_an_auprc_has_one_text_in_every_table(surfaces: Surfaces) -> None:
    for where, text in surfaces.tables().items():
        assert "0.302" in text, where
        assert not re.search(r"0\.301(?!5)|0\.3015\b", text.split("<script")[0]), where
    rows = surfaces.site.fetch("/kag/one/runs.json").json()["runs"]
    assert [(row[-2][0], row[-1][0]) for row in rows] == [("0.302", AUPRC)] * 2


def test_its_interval_too(surfaces: Surfaces) -> None:
    for where in ("list", "show", "compare", "report", "page"):
        assert "[0.282, 0.323]" in surfaces.tables()[where], where


def test_an_external_benchmark_stands_under_its_name_and_beside_no_result(surfaces: Surfaces) -> None:
    shown = surfaces.tables()
    for where in ("show", "report", "page", "markdown", "csv", "html"):
        assert "coach420.h5" in shown[where], where
        assert "0.235" in shown[where], where
        assert "0.234" not in shown[where].split("<script")[0], where
    for where in ("show", "report", "page"):
        assert digest(BENCHMARK) in shown[where], where
    for where in ("list", "compare", "page, compare"):
        assert "0.235" not in shown[where], where
    assert "on `coach420.h5`, look 1 at it" in shown["markdown"]


def test_json_carries_the_raw_value(surfaces: Surfaces) -> None:
    assert json.loads(surfaces.log["json"])[0]["val_auprc"] == AUPRC
    compared = json.loads(surfaces.terminal("compare", "base", "ramped", "--json"))
    assert compared["results"]["val/auprc"][0]["value"] == AUPRC
    assert compared["settings"]["model.gate.penalty.weight.start"] == [0.15, 0.3]
    assert compared["settings"]["world.processes"] == [1, 2]
    shown = json.loads(surfaces.terminal("show", "ramped", "--json"))
    assert shown["record"]["results"][0]["weights_digest"] == WEIGHTS


def test_a_ramp_has_one_text(surfaces: Surfaces) -> None:
    for where, text in surfaces.tables().items():
        assert where == "list" or RAMP_TEXT in text, where
    assert setting(RAMP) == RAMP_TEXT


def test_the_world_is_shown_where_it_differs(surfaces: Surfaces) -> None:
    for where, text in surfaces.tables().items():
        if where != "list":
            told = r"2 processes" if where == "show" else r"world\.processes\W+1\W+(-> )?2"
            assert re.search(told, text), where
    assert [one.key for one in differing_settings(surfaces.runs)][-1] == "world.processes"
    unknown = [surfaces.runs[0], surfaces.runs[1].model_copy(update={"world": None})]
    assert all(not one.key.startswith("world") for one in differing_settings(unknown))


def test_a_duration_a_digest_and_a_missing_value(surfaces: Surfaces) -> None:
    shown = surfaces.tables()
    for where in ("show", "report"):
        assert "1 h 05 min" in shown[where], where
        assert digest(DATA) in shown[where], where
        assert WEIGHTS not in shown[where], where
    (row, _) = surfaces.site.fetch("/kag/one/runs.json").json()["runs"]
    assert (row[5], row[10]) == (900, "15 min 00 s")
    assert digest(WEIGHTS) in shown["page"]
    for where, text in shown.items():
        assert where in ("markdown", "csv", "html") or not re.search(r"(^|\s)–(\s|$)", text), where
    assert surfaces.terminal("list").splitlines()[1].split()[-2:] == ["-", "-"]
    assert list(csv.reader(io.StringIO(surfaces.log["csv"])))[1][4].startswith("-")


def test_a_run_is_called_by_its_id_and_beside_others_by_its_name(surfaces: Surfaces) -> None:
    run = surfaces.runs[1]
    for where, text in surfaces.tables().items():
        assert (run.name if where == "page, compare" else run.id) in text, where
    assert surfaces.site.fetch("/kag/one/runs.json").json()["runs"][0][1:3] == [run.id, run.name]


def test_a_name_in_a_record_is_the_newest_earlier_run_of_that_name() -> None:
    runs = [run_record(day, name) for day, name in enumerate(["a", "b", "a", "b"])]
    named = NamedRuns(reversed(runs))
    assert named.meant("a") == runs[2]
    assert named.meant("a", before=runs[1]) == named.meant("a", before=runs[2]) == runs[0]
    assert named.meant(runs[3].id, before=runs[0]) == runs[3]
    assert named.meant("a", before=runs[0]) is None


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (number(0.30154), "0.302"), (number(1234.5), "1235"), (number(2e-5), "2e-05"), (number(1234567.0), "1.23e+06"),
        (number(0.9996), "1.000"), (number(0.6001), "0.600"), (number(0.6), "0.6"),
        (number(2.0001e-05), "2.00e-05"), (number(7), "7"), (number(None), "-"), (number(float("inf")), "inf"),
        (number(5e-324), "4.94e-324"), (three_decimals(1e300), "1e+300"), (setting(0.123456789), "0.123457"),
        (setting(None), "none"), (setting(True), "true"), (setting([1, None]), "[1, null]"),
        (duration(90_000), "1 d 01 h"),
        (size(2**31), "2.0 GiB"), (digest(None), "-"),
    ],
)  # fmt: skip
def test_texts(written: str, wanted: str) -> None:
    assert written == wanted


@given(st.lists(st.one_of(st.floats(allow_nan=False), st.integers(), st.booleans(), st.none()), max_size=6))
def test_different_values_of_a_column_never_look_alike(values: list[Any]) -> None:
    texts = column(values)
    assert len(set(texts)) == len({repr(value) for value in values})


@given(st.floats(-1e300, 1e300), st.integers(1, 6))
def test_a_number_is_rounded_to_its_nearest(value: float, digits: int) -> None:
    assert abs(float(number(value, digits)) - value) <= abs(value) * 0.5000001 * 10.0 ** (1 - digits)


def test_a_change_is_told_with_the_digits_that_tell_it() -> None:
    assert phrase(changed_settings({"lr": 0.12345678}, {"lr": 0.12345679})) == "lr 0.12345678 -> 0.12345679"
