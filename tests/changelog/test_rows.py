"""From records to rows: order, numbers, sweeps, files, choices."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.changelog.collect import collect
from kag.changelog.diagnose import entry_of
from kag.changelog.formats import as_csv, as_html, as_json
from kag.changelog.logged import Logged
from kag.changelog.markdown import render
from kag.changelog.siblings import Siblings
from kag.changelog.table import Choice, Row, table
from kag.text import three_decimals
from kag.track.folders import FolderSource
from kag.track.record import Failure, GitFacts, RunRecord, Status
from tests.changelog.run_logs import START, MemorySource, epochs, make_folder, parsed, run_record, run_result


def rows_of(*records: RunRecord, choice: Choice | None = None, notes: dict[str, str] | None = None) -> list[Row]:
    return table(collect(MemorySource(list(records), notes or {})), choice)


def cells_of(*records: RunRecord, **more: Any) -> list[list[str]]:
    return parsed(render(rows_of(*records, **more))).tables[0][1:]


def test_no_runs_give_an_empty_table() -> None:
    assert parsed(render([])).tables == [
        [["Date &amp; Run", "Key Changes", "Files Touched", "Val AUPRC", "Test AUPRC / Notes"]]
    ]


def test_bold_is_the_first_run_where_nothing_is_tested() -> None:
    records = [run_record(n, val=value) for n, value in enumerate([0.3, 0.3, 0.31, 0.2])] + [run_record(4)]
    assert [cells[3] for cells in cells_of(*records)] == [
        "<strong>0.300</strong>",
        "0.300",
        "0.310",
        "0.200",
        "-",
    ]


def test_the_delivered_weights_count_and_no_others() -> None:
    record = run_record(
        0, results=(run_result("val", 0.4), run_result("val", 0.5, weights="averaged", delivered=False))
    )
    aborted = run_record(1, status=Status.ABORTED, failure=Failure(error="E", message="m"))
    assert [cells[3] for cells in cells_of(record, aborted)] == ["<strong>0.400</strong>", "-"]


def test_a_number_that_is_none_is_missing() -> None:
    (cells,) = cells_of(run_record(0, results=(run_result("val", math.nan),)))
    assert (cells[3], cells[4].split("<!--")[0].strip()) == ("-", "-")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.3015, "0.302"), (0.3125, "0.313"), (0.31249999999, "0.312"), (1.0, "1.000"), (None, "-"), (math.inf, "-")],
)
def test_three_decimals(value: float | None, text: str) -> None:
    assert three_decimals(value) == text


@given(st.floats(0.0, 1.0))
def test_three_decimals_round_to_the_nearest(value: float) -> None:
    assert abs(float(three_decimals(value)) - value) <= 0.0005 + 1e-12


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "outside git"),
        ({"git": GitFacts(commit="c" * 40)}, f"none; commit <code>{'c' * 10}</code>"),
        ({"git": GitFacts(commit="c" * 40, since="b" * 40)}, "none"),
        (
            {"git": GitFacts(commit="c", dirty=True, uncommitted=("b.py",), touched=("a.py", "b.py"), since="b")},
            "<code>a.py</code>; uncommitted: <code>b.py</code>",
        ),
        ({"kind": "imported"}, "-"),
        ({"kind": "imported", "stated": {"files_touched": ["x|y.py"]}}, "<code>x|y.py</code>"),
    ],
)
def test_files_touched(fields: dict[str, Any], text: str) -> None:
    assert cells_of(run_record(0, **fields))[0][2] == text


def test_many_files_are_cut_and_counted() -> None:
    git = GitFacts(commit="c", touched=tuple(f"f{n}.py" for n in range(30)), since="b")
    assert cells_of(run_record(0, git=git))[0][2].endswith("<code>f7.py</code> and 22 more")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": Status.PLANNED}, "-; planned"),
        ({"status": Status.RUNNING}, "-; running"),
        ({"status": Status.KILLED, "epochs_trained": 3}, "-; killed after 3 epochs"),
        ({"status": Status.ABORTED, "failure": Failure(error="ValueError", message="m")}, "-; aborted by ValueError"),
    ],
)
def test_a_run_without_results_says_how_it_stands(fields: dict[str, Any], words: str) -> None:
    assert cells_of(run_record(0, **fields))[0][4].startswith(words)


def test_key_changes_are_the_sentence_then_the_diff() -> None:
    before = run_record(0, config={"model.gate.temperature": 1.0})
    after = run_record(1, change="softer | gate", parent=before.id, config={"model.gate.temperature": 1.5})
    cells = cells_of(before, after)
    assert cells[0][1] == "-"
    assert cells[1][1] == "softer | gate; <code>gate.temperature 1 -&gt; 1.5</code>"


def test_another_world_is_a_key_change() -> None:
    one = {"processes": 1, "threads": 2, "effective_batch": 64}
    before = run_record(0, config={"seed": 1}, world=one)
    after = run_record(1, parent=before.id, config={"seed": 1}, world={**one, "processes": 2, "effective_batch": 128})
    assert cells_of(before, after)[1][1] == (
        "<code>world.processes 1 -&gt; 2; world.effective_batch 64 -&gt; 128</code>"
    )


def test_a_sweep_is_one_row_with_its_best_trial_and_the_others_folded() -> None:
    trials = [run_record(n, f"t{n}", val=value, sweep="s1") for n, value in enumerate([0.2, 0.4, 0.3])]
    failed = run_record(5, "t5", sweep="s1", status=Status.ABORTED)
    before, after = run_record(0, "a", val=0.1), run_record(9, "z", val=0.35)
    cells = cells_of(before, *trials, failed, after, notes={trials[0].id: "a <b> note"})
    assert [cell[0].split("_")[-1] for cell in cells] == [
        "a</code>",
        "t1</code>, best of 4 trials of sweep <code>s1</code>",
        "z</code>",
    ]
    assert cells[1][3] == "0.400"
    folded = cells[1][4]
    assert folded.index("<details>") < folded.index(trials[2].id) < folded.index(trials[0].id) < folded.index(failed.id)
    assert "<summary>3 other trials</summary>" in folded
    assert "a &lt;b&gt; note" in folded
    assert cells[2][3] == "0.350"


def test_trials_say_what_they_have_set_otherwise() -> None:
    gate = {"model.gate.penalty.weight.start": 0.3, "model.gate.penalty.weight.epochs": 5}
    specs = [{**gate, "model.gate.penalty.weight.end": end, "seed": 1, "swa.window": 2} for end in (0.1, 1 / 3)]
    records = [run_record(n, f"t{n}", val=0.4 - n / 10, sweep="s1", config=spec) for n, spec in enumerate(specs)]
    (cells,) = cells_of(*records)
    assert cells[0].endswith("of sweep <code>s1</code>: <code>gate.penalty.weight 0.3 to 0.1 in 5</code>")
    assert "0.300 <code>gate.penalty.weight 0.3 to 0.333333 in 5</code>" in cells[4]
    (plain,) = json.loads(as_json(rows_of(*records)))
    assert plain["searched"] == "gate.penalty.weight 0.3 to 0.1 in 5"
    assert [one["searched"] for one in plain["other_trials"]] == ["gate.penalty.weight 0.3 to 0.333333 in 5"]
    assert json.loads(as_json(rows_of(run_record(0))))[0]["searched"] is None
    close = [{**gate, "model.gate.penalty.weight.end": end} for end in (0.123456781, 0.123456789)]
    twins = [run_record(n, f"t{n}", val=0.4 - n / 10, sweep="s1", config=spec) for n, spec in enumerate(close)]
    assert rows_of(*twins)[0].searched == {
        twins[0].id: "gate.penalty.weight 0.3 to 0.123456781 in 5",
        twins[1].id: "gate.penalty.weight 0.3 to 0.123456789 in 5",
    }


def test_trials_that_deliver_the_same_epoch_stand_in_the_order_of_their_averages() -> None:
    def averaging(number: int, average: float) -> RunRecord:
        results = (run_result("val", 0.5), run_result("val", average, weights="averaged", delivered=False))
        return run_record(number, f"t{number}", sweep="s1", results=results)

    cells = cells_of(averaging(0, 0.3), averaging(1, 0.45), averaging(2, 0.4))
    assert [cell[0].split("_")[-1].split("<")[0] for cell in cells] == ["t1"]
    assert cells[0][4].index("_t2") < cells[0][4].index("_t0")


def test_choices_hide_rows_and_change_nothing_in_the_others() -> None:
    records = [run_record(n, val=0.3 + n / 100, tags=("a", "b") if n % 2 else ("a",)) for n in range(4)]
    whole = render(rows_of(*records)).splitlines()
    for choice, kept in (
        (Choice(since=date(2025, 10, 2)), [1, 2, 3]),
        (Choice(until=date(2025, 10, 2)), [0, 1]),
        (Choice(tags=("a", "b")), [1, 3]),
        (Choice(sweep="s"), []),
    ):
        assert render(rows_of(*records, choice=choice)).splitlines() == [*whole[:2], *(whole[2 + n] for n in kept)]


def test_order_is_by_start_then_id_whatever_was_written_first(tmp_path: Path) -> None:
    records = [run_record(n // 2, f"r{n}", val=n / 10) for n in range(6)]
    texts = []
    for order in (records, records[::-1]):
        runs = tmp_path / str(len(texts))
        for record in order:
            make_folder(runs, record)
        texts.append(render(table(collect(FolderSource(runs)))))
    assert texts[0] == texts[1]
    assert [cells[0].split("_")[-1] for cells in parsed(texts[0]).tables[0][1:]] == [f"r{n}</code>" for n in range(6)]


def test_findings_of_the_history_are_in_the_row() -> None:
    entry = entry_of(Logged(run_record(0, val=0.3), epochs(0.1, 0.3, 0.1)))
    (row,) = table(Siblings([entry]))
    assert row.says("collapse")
    assert "val AUPRC collapsed from 0.300 (epoch 1) to 0.100 (epoch 2)" in render([row])


HOSTILE = "<script>alert(1)</script> | `x` \" ' &\n=1+1"


def test_json_holds_everything_at_full_precision() -> None:
    before = run_record(0, val=0.3)
    after = run_record(1, val=1 / 3, parent=before.id, change=HOSTILE, config={"epochs": 3})
    found = json.loads(as_json(rows_of(before, after, run_record(2), notes={after.id: HOSTILE})))
    assert [row["run"] for row in found] == [before.id, after.id, run_record(2).id]
    assert found[1]["val_auprc"] == 1 / 3
    assert found[1]["note"] == found[1]["record"]["change"] == HOSTILE
    assert [finding["code"] for finding in found[1]["findings"]] == ["highest_so_far"]
    assert found[1]["changes"] == [{"key": "epochs", "before": None, "after": 3}]
    assert found[2]["val_auprc"] is None


def test_csv_comes_back_cell_by_cell() -> None:
    record = run_record(0, val=0.3, change=HOSTILE)
    head, row = csv.reader(io.StringIO(as_csv(rows_of(record, notes={record.id: HOSTILE}))))
    assert len(head) == len(row) == 6
    assert (row[1], row[3], row[4], row[5]) == (HOSTILE, "0.300", "0.400", HOSTILE)


def test_html_holds_the_text_and_none_of_its_tags() -> None:
    record = run_record(0, val=0.3, change=HOSTILE)
    tags: list[str] = []
    words: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

        def handle_data(self, data: str) -> None:
            words.append(data)

    Reader().feed(as_html(rows_of(record, notes={record.id: HOSTILE})))
    assert "script" not in tags
    assert tags.count("td") == 5
    assert "".join(words).count("<script>alert(1)</script>") == 2


def test_the_same_numbers_stand_in_every_format() -> None:
    typed = {"kind": "imported", "stated": {"course": {"last": 0.285}}}
    wrong = run_record(
        0,
        results=tuple(run_result(s, v, weights=None, delivered=False) for s, v in (("val", 0.297), ("test", 0.285))),
        **typed,
    )
    rows = rows_of(wrong)
    assert parsed(render(rows)).tables[0][1][4].startswith("-;")
    assert json.loads(as_json(rows))[0]["test_auprc"] is None
    assert list(csv.reader(io.StringIO(as_csv(rows))))[1][4].startswith("-;")
    assert "<td>-<div" in as_html(rows)


def test_a_day_is_the_day_in_utc() -> None:
    late = run_record(0, start=START + timedelta(hours=23, minutes=59))
    assert cells_of(late)[0][0].startswith("2025-10-01")


ODD = "\x1b[31mred\u202etxt.exe"


def test_nothing_in_a_run_turns_what_follows_it_in_any_format() -> None:
    broken = Failure(error="ValueError", message=ODD, where=None)
    git = GitFacts(commit="0" * 40, dirty=True, uncommitted=(ODD,), touched=(ODD,), since="1" * 40)
    odd = run_record(0, change=ODD, sweep=ODD, git=git, status=Status.ABORTED, failure=broken)
    rows = rows_of(odd, notes={odd.id: ODD})
    for text in (render(rows), as_json(rows), as_csv(rows), as_html(rows)):
        assert "red" in text
        assert not {"\x1b", "\u202e"} & set(text)
    assert json.loads(as_json(rows))[0]["record"]["change"] == ODD, "JSON holds the raw value"


@pytest.mark.parametrize("note", ["=1+1", "+1-cmd", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x")', "-0.5x"])
def test_a_spreadsheet_calculates_nothing(note: str) -> None:
    record = run_record(0, change=note)
    cells = next(csv.reader(io.StringIO(as_csv(rows_of(record, notes={record.id: note})).split("\n", 1)[1])))
    assert cells[5] == f"'{note}"
    assert cells[1].startswith(f"'{note}")


@pytest.mark.parametrize("note", ["-0.5", "+3", "-1e-5", "-", "0.25", "a = b"])
def test_a_number_stays_a_number(note: str) -> None:
    record = run_record(0)
    cells = next(csv.reader(io.StringIO(as_csv(rows_of(record, notes={record.id: note})).split("\n", 1)[1])))
    assert cells[5] == note
