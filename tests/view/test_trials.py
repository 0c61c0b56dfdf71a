"""What a trial is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.sweep.step import place_of, run_of
from kag.view.trials import name_of_run, trial_name


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
