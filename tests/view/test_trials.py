"""What a trial is called."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.sweep.step import place_of, run_of
from kag.track.record import RunRecord, Status
from kag.view.trials import name_of_run, trial_name
from kag.view.words import labels


@given(st.text(min_size=1, max_size=12), st.integers(0, 10**6), st.integers(1, 30))
def test_the_name_that_a_sweep_gives_a_run_tells_trial_and_attempt(sweep: str, trial: int, attempt: int) -> None:
    assert place_of(sweep, run_of(sweep, trial, attempt)) == (trial, attempt)
    assert name_of_run("demo", sweep, run_of(sweep, trial, attempt)) == trial_name("demo", trial, attempt)


def test_a_later_attempt_is_another_run_of_the_same_trial() -> None:
    assert trial_name("demo", 4) == "demo-4"
    assert trial_name("demo", 4, 2) == "demo-4, attempt 2"


@pytest.mark.parametrize("run", ["abc", "s-1", "s-0001-", "t-0001", "s-0001-2-3", "s-0001x"])
def test_a_run_that_the_sweep_has_not_named_has_no_such_name(run: str) -> None:
    assert name_of_run("demo", "s", run) is None


def of_sweep(sweep: str, run: str) -> RunRecord:
    """A trial that differs from others in nothing, and is called like them."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return RunRecord(id=f"id-{run}", name="x", status=Status.FINISHED, start=start, sweep=sweep, wandb_id=run)


def test_trials_that_nothing_else_tells_apart_are_called_by_their_numbers() -> None:
    assert labels([of_sweep("s", "s-0004"), of_sweep("s", "s-0005-2")]) == ("trial 4", "trial 5, attempt 2")
    for others in (
        [of_sweep("s", "s-0004"), of_sweep("s", "mine")],
        [of_sweep("s", "s-0004"), of_sweep("t", "t-0004")],
    ):
        assert labels(others) == tuple(record.id for record in others)
