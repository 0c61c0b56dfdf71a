"""The table of more runs than anybody waits for."""

from __future__ import annotations

import json
import re
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from kag.server.page import columns, held, runs_page
from kag.server.page.beside import Beside
from kag.server.page.columns import Column, cell
from kag.server.page.first_rows import first_in_order
from kag.server.page.values import Read
from tests.page.synthetic import add_runs


def table_of(page: str) -> Any:
    """What a page of the table holds."""
    found = re.search(r'id="table">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def ids(answer: Any) -> list[str]:
    """Of the rows that came."""
    return [run[0] for run in answer["runs"]]


def noted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """What a function by which `held` reads is asked to read from now on."""
    asked: list[Any] = []
    read = getattr(held, name)
    monkeypatch.setattr(held, name, lambda given: (asked.append(given), read(given))[1])
    return asked


def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nine runs be many."""
    for name, value in (("AT_ONCE", 8), ("FIRST", 3), ("NEWEST", 3)):
        monkeypatch.setattr(runs_page, name, value)
    monkeypatch.setattr(columns, "NEWEST", 3)


def test_of_many_runs_the_newest_come_first_and_nothing_is_read_of_the_others(
    reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that knows them asks for the rest, as it asks for all else."""
    few_at_once(monkeypatch)
    add_runs(reader.store, 9, epochs=2)
    read = noted(monkeypatch, "read_json")
    answer = table_of(reader.browse("/kag/many").text)
    assert [run[2] for run in answer["runs"]] == ["run0008", "run0007", "run0006"]
    assert (answer["total"], answer["seen"], answer["fits"], answer["groups"]) == (9, "", None, [])
    assert len(read) == 6, "config and summary of three runs"
    whole = reader.fetch("/kag/many/runs.json?seen=").json()
    assert (len(whole["runs"]), whole["whole"], whole.get("total")) == (9, True, None)
    filtered = table_of(reader.browse("/kag/many?q=run0002").text)
    assert ids(filtered) == ["00000002"], "who asks for some runs gets them, wherever they are"
    assert (filtered["total"], filtered["seen"]) == (1, "")


@pytest.mark.parametrize(
    ("address", "came"),
    [
        ("?q=seed%3C3", ["00000007", "00000006", "00000005"]),
        ("?sort=started", ["00000000", "00000001", "00000002"]),
        ("?sort=config:seed", ["00000005", "00000000", "00000006"]),
        ("?q=seed%3E2&sort=-config:seed", ["00000009", "00000008", "00000004"]),
        ("?tag=october&sort=-took", ["00000009", "00000006", "00000003"]),
    ],
)
def test_the_first_rows_of_a_filter_and_an_order_are_those_of_the_whole_table(
    reader: Any, monkeypatch: pytest.MonkeyPatch, address: str, came: list[str]
) -> None:
    """No record is read for them but those of the rows that come."""
    few_at_once(monkeypatch)
    add_runs(reader.store, 10, epochs=2)
    read = noted(monkeypatch, "record_of")
    answer = table_of(reader.browse(f"/kag/many{address}").text)
    assert set(ids(answer)) == set(came)
    assert {one.wandb_id for one in read} == set(came), "and of the other runs no record"
    whole = reader.fetch(f"/kag/many/runs.json{address}").json()
    assert answer["total"] == len(whole["fits"] or whole["runs"])
    assert [one["word"] for one in answer["columns"]] == [one["word"] for one in whole["columns"]]


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("", 0),
        ("?tag=october", 0),
        ("?state=failed", 0),
        ("?q=run0003", 2),
        ("?q=val/auprc%3E0.3", 3),
        ("?q=loss.kind%3Dbce", 3),
        ("?q=temperature%3E1", 5),
        ("?q=took%3E1", 1),
        ("?sort=-summary:val/auprc", 1),
        ("?sort=took", 1),
        ("?q=seed%3C3+lr%3E0&sort=-config:seed", 4),
    ],
)
def test_of_the_runs_that_do_not_come_nothing_is_read(
    reader: Any, monkeypatch: pytest.MonkeyPatch, address: str, asked: int
) -> None:
    """The database is asked a few questions for what a filter and an order look at, however many runs there are."""
    few_at_once(monkeypatch)
    add_runs(reader.store, 12, epochs=2)
    read = noted(monkeypatch, "read_json")
    questions: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        questions.append(statement)

    event.listen(reader.store.engine, "before_cursor_execute", note)
    answer = table_of(reader.browse(f"/kag/many{address}").text)
    event.remove(reader.store.engine, "before_cursor_execute", note)
    came = set(ids(answer)) | {f"{i:08x}" for i in range(9, 12)}
    assert len(read) == 2 * len(came), "settings and last values of these rows, and of those that say the columns"
    assert sum("json_e" in one for one in questions) == asked
    assert len(answer["runs"]) == min(3, answer["total"]) > 0


@pytest.mark.parametrize("address", ["?sort=name", "?sort=-state", "?group=config:seed"])
def test_what_takes_all_of_the_runs_comes_with_all_of_them(
    reader: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    few_at_once(monkeypatch)
    add_runs(reader.store, 9, epochs=2)
    answer = table_of(reader.browse(f"/kag/many{address}").text)
    assert (len(answer["runs"]), answer.get("total")) == (9, None)


VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | st.sampled_from(["", "a", "10", "9"])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(0, 3)), max_size=12), st.sampled_from(["", "-"]), st.integers(1, 6))
def test_the_first_in_order_are_those_of_the_order(rows: list[tuple[Any, int]], falling: str, most: int) -> None:
    """Held against the order of the script, said in other words: numbers, then words, then what is missing."""
    runs = [run_of(i, value, started) for i, (value, started) in enumerate(rows)]
    column = Column("config", "x")
    found = first_in_order(runs, f"{falling}{column.word}", [column], most, Read(runs))
    kinds = [kind(cell(run, column)) for run in runs]
    if found is None:
        assert 1 in kinds, "words are asked about"
        assert kinds.count(0) < most
        return

    def less(one: Any, other: Any) -> int:
        a, b = cell(one, column), cell(other, column)
        by_value = kind(a) - kind(b) or (0 if kind(a) else (a > b) - (a < b)) * (-1 if falling else 1)
        age = other.row["created_at"] - one.row["created_at"]
        return int(by_value or age or (one.name > other.name) - (one.name < other.name))

    assert [run.name for run in found] == [run.name for run in sorted(runs, key=cmp_to_key(less))[:most]]


def kind(value: Any) -> int:
    """Numbers, words, and what is missing."""
    if value is None or value == "":
        return 2
    return 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else 1


def run_of(number: int, value: Any, started: int) -> held.Held:
    """A run with one setting."""
    row: Any = {
        "id": number,
        "name": f"{number:08x}",
        "created_at": started,
        "config": json.dumps({"x": {"value": value}}),
    }
    return held.Held(row, "finished", Beside(), None)
