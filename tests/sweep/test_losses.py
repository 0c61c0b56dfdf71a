"""A point may be lost as often as it comes farther; one that does not come farther is given up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.sweep import Limits, Trial, TrialState
from kag.sweep.trial import lose, reopen, take

LIMITS = Limits(losses=4)
MARKS = st.none() | st.floats() | st.integers(0, 30).map(float)
"""How far an attempt came; nobody knows of one whose run logged nothing."""


def attempt(trial: Trial, reached: float | None) -> Trial:
    """One more attempt, which came so far and was lost."""
    begun = take(trial, agent="a", run=f"r{trial.attempt}", now=0.0, limits=LIMITS)
    assert begun.reached is None
    return lose(begun.model_copy(update={"reached": reached}), LIMITS)


def test_a_trial_of_many_time_limits_is_not_given_up() -> None:
    trial = Trial(id=0, params={"x": 0})
    for epoch in range(10 * LIMITS.losses):
        trial = attempt(trial, float(epoch))
        assert trial.state is TrialState.FREE
    assert trial.losses == 0


@given(marks=st.lists(MARKS, max_size=30), last=MARKS)
def test_a_trial_without_progress_ends(marks: list[float | None], last: float | None) -> None:
    trial = Trial(id=0, params={"x": 0})
    for mark in marks:
        if trial.state.over:
            return
        trial = attempt(trial, mark)
    losses = 0
    while not trial.state.over:
        trial, losses = attempt(trial, last), losses + 1
    assert losses <= LIMITS.losses + 1, "the first of them may have come farther than those before"


@given(marks=st.lists(MARKS, max_size=30))
def test_only_a_farther_attempt_begins_the_count_anew(marks: list[float | None]) -> None:
    trial, in_vain, best = Trial(id=0, params={"x": 0}), 0, -math.inf
    for mark in marks:
        farther = mark is not None and math.isfinite(mark) and mark > best
        in_vain, best = (0, mark) if farther and mark is not None else (in_vain + 1, best)
        trial = attempt(trial, mark)
        assert trial.losses == in_vain
        assert trial.state is (TrialState.FAILED if in_vain == LIMITS.losses else TrialState.FREE)
        if trial.state.over:
            return


@pytest.mark.parametrize("told", [{"stopping": True}, {"preempting": True}])
def test_what_was_told_to_end_counts_for_nothing(told: dict[str, bool]) -> None:
    trial = Trial(id=0, params={"x": 0}, losses=3, farthest=5.0, reached=2.0, **told)
    assert lose(trial, LIMITS).losses == 3


def test_a_reopened_point_must_come_farther_than_it_ever_came() -> None:
    given_up = Trial(id=0, params={"x": 0}, state=TrialState.FAILED, losses=4, farthest=5.0)
    assert attempt(reopen(given_up), 5.0).losses == 1
    assert attempt(reopen(given_up), 6.0).losses == 0
