"""Which runs are shown: days, tags, sweeps, and those that are archived."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from kag.errors import UserError
from kag.view.choice import Choice, archived_text, require_known
from tests.changelog.run_logs import run_record


@pytest.fixture
def auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("auckland")
def test_a_day_is_that_of_the_zone() -> None:
    evening = run_record(start=datetime(2025, 10, 31, 20, tzinfo=UTC))
    assert Choice(until=date(2025, 10, 31)).takes(evening), "in a document days are UTC, wherever it is made"
    assert not Choice(until=date(2025, 10, 31), zone=None).takes(evening), "in Auckland it was November"
    assert Choice(since=date(2025, 11, 1), zone=None).takes(evening)


def test_an_archived_run_is_shown_where_it_is_asked_for() -> None:
    run, junk = run_record(tags=["a"]), run_record(1, tags=["a", "archived"])
    for choice, shown, hidden in (
        (Choice(), [run], 1),
        (Choice(archived=True), [run, junk], 0),
        (Choice(tags=("archived",)), [junk], 0),
        (Choice(tags=("a",)), [run], 1),
        (Choice(until=date(2025, 10, 1)), [run], 0),
    ):
        assert [one for one in (run, junk) if choice.takes(one)] == shown
        assert sum(map(choice.hides, (run, junk))) == hidden
    assert [archived_text(n, have="row") for n in range(3)] == [
        "",
        "1 archived run has no row",
        "2 archived runs have no row",
    ]


@pytest.mark.parametrize(
    ("choice", "what", "near"),
    [
        (Choice(tags=("gat",)), "no run is of the tag 'gat'", "gate"),
        (Choice(tags=("archived",)), "no run is of the tag 'archived'", "gate"),
        (Choice(sweep="s2"), "no run is of the sweep 's2'", "s1"),
        (
            Choice(since=date(2025, 2, 1), until=date(2025, 1, 1), zone=None),
            "the span ends before it begins: --since 2025-02-01 --until 2025-01-01",
            "--since 2025-01-01 --until 2025-02-01",
        ),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(choice: Choice, what: str, near: str) -> None:
    with pytest.raises(UserError) as caught:
        require_known(choice, [run_record(tags=["gate"], sweep="s1")])
    assert (caught.value.what, caught.value.nearest) == (what, near)
