"""The list of projects: states as a bar, the state of the last run, and the result that stands for a project."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.server.begin import delete
from kag.server.page.index_page import STATES, WIDTH, bar
from kag.server.page.top_results import Top, top_of
from kag.server.store import find
from kag.server.tables import projects, runs
from tests.page.synthetic import add_runs, add_script_run


@given(st.dictionaries(st.sampled_from([*STATES, "new"]), st.integers(0, 10_000)))
def test_a_bar_is_filled_without_a_gap(counts: dict[str, int]) -> None:
    parts = bar(counts)
    assert {part.state: part.runs for part in parts} == {state: count for state, count in counts.items() if count}
    at = 0.0
    for part in parts:
        assert part.at == pytest.approx(at)
        at += part.width
    assert at == pytest.approx(WIDTH if parts else 0.0)


@pytest.mark.parametrize(
    ("values", "asked", "found"),
    [
        ({}, None, None),
        ({"a": {}}, None, None),
        ({"a": {"val/auprc": 0.4}, "b": {"val/auprc": 0.5}}, None, Top("val/auprc", "max", 0.5, "b")),
        ({"a": {"loss": 2.0}, "b": {"loss": 1.0}}, None, Top("loss", "min", 1.0, "b")),
        (
            {"a": {"loss": 2.0, "val/acc": 0.1}, "b": {"loss": 1.0, "val/acc": 0.2}},
            "loss",
            Top("loss", "min", 1.0, "b"),
        ),
        ({"a": {"loss": 2.0}, "b": {"loss": 1.0}}, "loss:max:last", Top("loss", "max", 2.0, "a")),
        ({"a": {"loss": 2.0}}, "gone", Top("loss", "min", 2.0, "a")),
        ({"a": {"train/loss": 0.1, "val/loss": 0.2}}, None, Top("val/loss", "min", 0.2, "a")),
    ],
)
def test_one_result_stands_for_a_project(values: Any, asked: str | None, found: Top | None) -> None:
    assert top_of(values, asked) == found


def row(site: Any, project: str) -> str:
    """The row of a project as text, with the label of its bar."""
    page = re.search(rf'<tr>\s*<th scope="row"><a href="/kag/{project}">.*?</tr>', site.browse("/").text, re.DOTALL)
    assert page
    return re.sub(r"\s+", " ", re.sub(r"<title>.*?</title>|<(?!svg)[^>]*>", "", page[0]))


def test_what_has_changed_is_read_again_and_what_is_gone_is_gone(reader: Any) -> None:
    add_runs(reader.store, 3, epochs=2)
    add_script_run(reader.store, 3, project="own")
    reader.now = 1_770_000_000.0
    reader.restart()
    assert reader.log_in().status_code == 303
    assert "highest val/auprc" in row(reader, "many")
    with reader.store.write() as connection:
        connection.execute(runs.update().filter_by(name="00000001").values(summary='{"val/auprc": 0.987}'))
    assert "0.987" in row(reader, "many")
    with reader.store.write() as connection:
        connection.execute(runs.update().filter_by(name="00000002").values(state="failed"))
        delete(connection, find(connection, runs, name="00000001")["id"], now=reader.now)
    told = row(reader, "many")
    assert "0.987" not in told
    assert 'aria-label="1 finished, 1 failed"' in told
    assert "failed" in told
    with reader.store.write() as connection:
        connection.execute(projects.insert().values(entity="kag", name="bare", created_at=1.0))
    assert "highest" not in row(reader, "bare")
