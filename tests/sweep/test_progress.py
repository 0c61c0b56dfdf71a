"""How a sweep stands, from what its runs show."""

from __future__ import annotations

import pytest

from kag.sweep import TrialState, parse_sweep
from kag.sweep.progress import Attempt, Epochs, progress, told, trials_of_attempts

GRID = parse_sweep(
    {
        "method": "grid",
        "metric": {"name": "val/auprc", "goal": "maximize"},
        "parameters": {"seed": {"values": [1, 2, 3, 4]}, "epochs": {"value": 5}},
    }
)
FINISHED, FAILED, RUNNING, STOPPED = TrialState.FINISHED, TrialState.FAILED, TrialState.LEASED, TrialState.STOPPED


def attempt(run: str, state: TrialState, seed: int | None = None, value: float | None = None) -> Attempt:
    return Attempt(run, state, {} if seed is None else {"seed": seed, "epochs": 5, "model.norm": "batch"}, value)


def test_attempts_at_a_point_are_one_trial_and_the_farthest_stands_for_it() -> None:
    attempts = [
        attempt("s-0000", FAILED, 1),
        attempt("s-0001", FAILED, 2),
        attempt("s-0000-2", FINISHED, 1, 0.4),
        attempt("s-0000-3", RUNNING, 1),
        attempt("s-0001-2", RUNNING),
    ]
    first, second = trials_of_attempts(GRID, "s", attempts)
    assert (first.state, first.run, first.value, first.attempt) == (FINISHED, "s-0000-2", 0.4, 3)
    assert first.params == {"seed": 1, "epochs": 5}, "the rest of the config is no part of the point"
    assert (second.state, second.run, second.attempt) == (RUNNING, "s-0001-2", 2)
    assert told(GRID, [first, second]) == [first], "the second one's attempt has not told its config yet"


def test_runs_of_another_server_are_told_apart_by_their_point_or_by_themselves() -> None:
    attempts = [attempt("x1", FAILED, 1), attempt("x2", FINISHED, 1, 0.4), attempt("x3", FINISHED, 2, 0.5)]
    assert [trial.run for trial in trials_of_attempts(GRID, "s", attempts)] == ["x2", "x3"]
    search = parse_sweep({"method": "random", "parameters": {"seed": {"values": [1, 2]}}})
    assert len(trials_of_attempts(search, "s", attempts)) == 3, "a random search may draw a point twice"


def test_progress_counts_states_and_names_the_best() -> None:
    attempts = [
        attempt("s-0000", FINISHED, 1, 0.4),
        attempt("s-0001", STOPPED, 2, 0.9),
        attempt("s-0002", FAILED, 3),
        attempt("s-0003", RUNNING, 4, 0.7),
    ]
    now = progress(GRID, trials_of_attempts(GRID, "s", attempts), Epochs(3, 4), ended_before=1, seconds=60.0)
    assert (now.expected, now.ended, now.succeeded, now.epochs) == (4, 3, 2, (3, 4))
    assert now.best is not None
    assert now.best.run == "s-0000"
    assert now.seconds_left == pytest.approx(30.0), "two trials in a minute, one left"


@pytest.mark.parametrize(("method", "ended_before"), [("random", 0), ("grid", 2)])
def test_the_time_left_is_unknown_without_an_end_or_without_a_trial_of_this_call(
    method: str, ended_before: int
) -> None:
    sweep = GRID.model_copy(update={"method": method})
    trials = trials_of_attempts(sweep, "s", [attempt("s-0000", FINISHED, 1), attempt("s-0001", FINISHED, 2)])
    assert progress(sweep, trials, Epochs(), ended_before=ended_before, seconds=9.0).seconds_left is None
