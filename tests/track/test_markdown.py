from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kag.errors import RecordError
from kag.track.markdown import COLUMNS, MarkdownSource, _split, rows
from kag.track.record import Failure, RunRecord, Status

SEED = Path(os.environ.get("KAG_SEED", "../shared/seed")) / "MODEL_CHANGELOG_OCT2025.md"
HEAD = "| Date & Run | Key Changes | Files Touched | Val AUPRC | Test AUPRC / Notes |\n|--|--|--|--|--|\n"


def one(*cells: str) -> RunRecord:
    (record,) = rows(f"text\n\n{HEAD}| {' | '.join(cells)} |\n\nmore", where="log.md")
    return record


def values(record: RunRecord) -> dict[str, float]:
    return {result.split: result.value for result in record.results}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.243", 0.243),
        ("**0.300**", 0.3),
        (".5", 0.5),
        ("**0.313** (peak)", 0.313),
        ("0.306 (peak)", 0.306),
        ("0.391; drifts", 0.391),
        ("–", None),
        ("", None),
        ("~0.3", None),
        ("0.30–0.35", None),
        ("0.3 or 0.4", None),
        ("**0.3", None),
        ("30 %", None),
        ("1 of 3 seeds", None),
        ("best 0.313", None),
        ("0.447%", None),
    ],
)
def test_a_number_counts_where_it_is_plainly_one(cell: str, value: float | None) -> None:
    record = one("2025-10-17 - `a.log`", "x", "y", cell, "-")
    assert values(record) == ({} if value is None else {"val": value})
    assert record.stated.cells["Val AUPRC"] == cell


def test_nothing_is_guessed() -> None:
    record = one("2025-10-17 - `swa_2025-10-16_23-30-27.log`", "lr 1e-3", "`a.py`", "0.3", "0.4 (late)")
    assert record.kind == "imported"
    assert {result.weights for result in record.results} == {None}
    assert not any(result.delivered for result in record.results)
    assert (record.config, record.parent, record.git, record.end, record.best_epoch) == ({}, None, None, None, None)


@pytest.mark.parametrize(
    ("first", "start", "name", "known"),
    [
        ("2025‑10‑18 – `swa_2025-10-17_23-30-27.log`", "2025-10-17T23:30:27+00:00", "swa", "second"),
        ("2025‑10‑15 – (in-progress)", "2025-10-15T00:00:00+00:00", "in-progress", "day"),
        ("2025-10-23 `blend 09+12.log`", "2025-10-23T00:00:00+00:00", "blend-09-12", "day"),
        ("2025-10-23 20:44:45", "2025-10-23T20:44:45+00:00", "run", "second"),
    ],
)
def test_start_and_name_come_from_the_runs_name(first: str, start: str, name: str, known: str) -> None:
    record = one(first, "x", "y", "0.1", "-")
    assert (record.start.isoformat(), record.name) == (start, name)
    assert record.stated.start_known_to == known


@pytest.mark.parametrize(
    ("change", "note", "status", "failure"),
    [
        (
            "x",
            "Run aborted (`TypeError: zeros_like`), mended later.",
            Status.ABORTED,
            Failure(error="TypeError", message="zeros_like"),
        ),
        ("the run failed at once", "–", Status.ABORTED, None),
        ("planned: focal loss", "-", Status.PLANNED, None),
        ("x", "-", Status.PLANNED, None),
        ("in progress", "", Status.RUNNING, None),
        ("the first run failed", "0.41", Status.FINISHED, None),
    ],
)
def test_a_row_says_how_it_ended(change: str, note: str, status: Status, failure: Failure | None) -> None:
    record = one("2025-10-15 - `a`", change, "y", "-", note)
    assert (record.status, record.failure) == (status, failure)


def test_notes_are_the_last_column_without_its_number(tmp_path: Path) -> None:
    lines = (
        "| 2025-10-15 - `a` | | | | **0.4** (late; `x`) |",
        "| 2025-10-16 - `b` | | | | – |",
        "| 2025-10-17 - `c` | | | | lost |",
    )
    (tmp_path / "log.md").write_text(HEAD + "\n".join(lines))
    source = MarkdownSource(tmp_path / "log.md")
    assert [source.notes(record.id) for record in source.records()] == ["(late; `x`)", "", "lost"]


def test_rows_of_one_name_and_time_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "log.md").write_text(HEAD + "| 2025-10-15 - `a` | first | | | |\n" * 3)
    ids = [record.id for record in MarkdownSource(tmp_path / "log.md").records()]
    assert ids == [f"2025-10-15_00-00-00_a{end}" for end in ("", "-2", "-3")]


@given(st.lists(st.text(st.sampled_from("ab|\\`* \t\xa0é-"), max_size=12), min_size=3).map("|".join))
@example(r" a\|b | c\\| d | `e|f` \||| g |")
def test_cells_are_those_of_the_markdown_parser(text: str) -> None:
    line = f"|{text}"
    cells = _split(line)
    table = f"{'|x' * len(cells)}|\n{'|-' * len(cells)}|\n{line}"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    assert [token.content for token in tokens if token.type == "inline"][len(cells) :] == cells


def test_pipes_inside_a_cell_stay_in_it() -> None:
    record = one("2025-10-15 - `a`", r"one \| two", "y", "-", "z")
    assert record.stated.cells["Key Changes"] == "one | two"
    record = one("2025-10-15 - `a`", "penalty (`|mean-0.6|`) and ``a`|`b``", "y", "-", "z")
    assert record.stated.cells["Key Changes"] == "penalty (`|mean-0.6|`) and ``a`|`b``"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# nothing here", r"log.md: has no table of runs"),
        ("| a | b |\n|--|--|\n| 1 | 2 |", r"log.md: has no table of runs"),
        (f"```\n{HEAD}```", r"has no table of runs"),
        (f"\n{HEAD}| 2025-10-15 | a | b | c |", r"log.md:4: this row has 4 cells"),
        (f"\n{HEAD}| 2025-10-15 | a | b | c | d | e |", r"log.md:4: this row has 6 cells"),
        (f"{HEAD}| some day | a | b | c | d |", r"log.md:3: this row has no date"),
        (f"{HEAD}| 2025-13-15 | a | b | c | d |", r"log.md:3: '2025-13-15' is no date"),
    ],
)
def test_a_log_that_cannot_be_read_whole_is_refused(text: str, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        rows(text, where="log.md")


@pytest.mark.skipif(not SEED.exists(), reason=f"{SEED} is not here")
def test_every_cell_of_the_seed_is_kept() -> None:
    text = SEED.read_text()
    records = rows(text, where="seed")
    lines = [line for line in text.splitlines() if line.startswith("| 2025")]
    assert len(records) == len(lines) == 23
    for record, line in zip(records, lines, strict=True):
        assert f"| {' | '.join(record.stated.cells[column] for column in COLUMNS)} |" == line
    aborted = [record.stated.row for record in records if record.status is Status.ABORTED]
    assert aborted == [3, 10]
    assert [values(record).get("val") for record in records[:6]] == [0.243, 0.3, None, 0.308, 0.188, 0.269]
    assert values(records[19]) == {"test": 0.445}
