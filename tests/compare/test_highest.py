"""The highest so far is that of the same data, by what each run had reached when the number came about."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.compare.highest import highest_before
from kag.track.past import former
from kag.track.record import Resume, RunRecord
from kag.view.results import headline
from tests.changelog.run_logs import START, run_record, run_result

DATA = {"data_digest": "d" * 64}


def value(record: RunRecord) -> float | None:
    result = headline(record, "val")
    return None if result is None else result.value


def before(*records: RunRecord) -> dict[str, tuple[str, float | None] | None]:
    found = highest_before(records, value)
    return {run.rpartition("_")[2]: one and (one.name, value(one)) for run, one in found.items()}


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def on(record: RunRecord, when: float | None, val: float, **fields: Any) -> RunRecord:
    """The run after it went on at a day, or at one that nobody wrote."""
    resume = Resume() if when is None else Resume(when=day(when), before=former(record, record.config))
    changes = {"resumes": (*record.resumes, resume), "results": (run_result("val", val),)}
    return record.model_copy(update={**changes, **fields})


def test_each_data_set_has_its_own() -> None:
    records = [
        run_record(0, "toy", val=0.9, data_digest="e" * 64),
        run_record(1, "a", val=0.3, **DATA),
        run_record(2, "b", val=0.4, **DATA),
        run_record(3, "foreign", val=0.5, datasets=("points:v1",)),
        run_record(4, "again", val=0.6, datasets=("points:v1",)),
        run_record(5, "unknown", val=0.2),
        run_record(6, "row", val=0.1, kind="imported"),
        run_record(7, "other", val=0.2),
        run_record(8, "below", val=0.2, kind="imported"),
    ]
    assert before(*records[::-1]) == {
        "toy": None,
        "a": None,
        "b": ("a", 0.3),
        "foreign": None,
        "again": ("foreign", 0.5),
        "unknown": None,
        "row": None,
        "other": ("unknown", 0.2),
        "below": ("row", 0.1),
    }


def test_a_run_that_goes_on_takes_nothing_back_and_is_judged_when_it_went_on() -> None:
    first, second, third = run_record(0, "a", val=0.5), run_record(2, "b", val=0.55), run_record(6, "c", val=0.58)
    assert before(first, second, third)["b"] == ("a", 0.5)
    later = on(first, 4, 0.6)
    assert before(later, second, third) == {"a": ("b", 0.55), "b": ("a", 0.5), "c": ("a", 0.6)}
    lower = on(first, 4, 0.45)
    assert before(lower, second, third) == {"a": ("b", 0.55), "b": ("a", 0.5), "c": ("b", 0.55)}
    alone = on(first, 4, 0.6)
    assert before(alone) == {"a": ("a", 0.5)}, "its own former number is one that was reached"


def test_a_resume_that_brought_no_number_leaves_the_former_one_where_it_was() -> None:
    first, second = run_record(0, "a", val=0.5), run_record(2, "b", val=0.55)
    assert before(on(first, 4, 0.5, status="killed"), second) == before(first, second)


@pytest.mark.parametrize(("end", "judged"), [(1, None), (3, ("b", 0.55)), (None, ("b", 0.55))])
def test_a_number_of_an_unknown_time_is_called_highest_of_what_may_have_come_before_it(
    end: float | None, judged: tuple[str, float] | None
) -> None:
    old = on(run_record(0, "a"), None, 0.6, end=None if end is None else day(end))
    assert before(old, run_record(2, "b", val=0.55)) == {"a": judged, "b": ("a", 0.6)}


runs = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, None]), st.sampled_from("de")), min_size=1, max_size=6)
resumes = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.05, 0.2, 0.9])), max_size=4)


@given(runs, resumes)
def test_whoever_goes_on_changes_nothing_of_the_others(drawn: list[Any], later: list[tuple[int, float]]) -> None:
    records = [run_record(day, f"r{day}", val=val, data_digest=data * 64) for day, (val, data) in enumerate(drawn)]
    found, gone_on = highest_before(records, value), set()
    for place, (number, val) in enumerate(later):
        own = number % len(records)
        records[own] = on(records[own], 10 + place, val)
        gone_on.add(records[own].id)
    again = highest_before(records, value)
    told = [{run: one and (one.id, value(one)) for run, one in each.items()} for each in (found, again)]
    assert all(told[1][run] == one for run, one in told[0].items() if run not in gone_on)
