"""Groups of runs by one value of a setting."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.compare.grouping import grouped_by
from kag.track.record import RunRecord, Scalar, Status

START = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = st.sampled_from([None, 0, 0.0, 1, 1.0, True, False, "1", "auto", 2.5])


def record(number: int, value: Scalar, *, done: bool = True) -> RunRecord:
    status = Status.FINISHED if done else Status.RUNNING
    config = {} if value is None else {"lr": value}
    return RunRecord(id=f"r{number}", name=f"r{number}", status=status, start=START, config=config)


@given(st.lists(VALUES, max_size=12))
def test_every_run_is_in_one_group_with_all_that_have_its_value(values: list[Scalar]) -> None:
    records = [record(number, value) for number, value in enumerate(values)]
    groups = grouped_by(records, lambda one: one.config.get("lr"))
    assert sorted(one.id for group in groups for one in group.runs) == sorted(one.id for one in records)
    keys = [(isinstance(group.value, bool), group.value) for group in groups]
    assert len(set(keys)) == len(keys), "true is not 1, 1.0 is"
    assert all(one.config.get("lr") == group.value for group in groups for one in group.runs)


def test_the_mean_is_of_runs_that_ended_well_and_have_a_number() -> None:
    records = [record(0, 0.1), record(1, 0.1), record(2, 0.1), record(3, 0.1, done=False), record(4, 0.2)]
    numbers = {"r0": 1.0, "r1": 4.0, "r2": math.nan, "r3": 100.0}
    first, other = grouped_by(records, lambda one: one.config["lr"])
    found = first.spread(lambda one: numbers.get(one.id))
    assert (found.n, found.of) == (2, 4)
    assert found.mean == 2.5
    assert found.sd == pytest.approx(statistics.stdev([1.0, 4.0]))
    assert [one.id for one in first.standing] == ["r0", "r1", "r2"]
    assert other.spread(lambda one: numbers.get(one.id)).mean is None
