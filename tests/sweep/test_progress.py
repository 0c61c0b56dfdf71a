"""How a sweep stands, from what its runs show."""

from __future__ import annotations

import pytest

from kag.sweep import Trial, TrialState, parse_sweep
from kag.sweep.progress import Attempt, Call, Epochs, progress, seconds_left, told, trials_of_attempts

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
    before = trials_of_attempts(GRID, "s", attempts[:1])
    now = progress(GRID, trials_of_attempts(GRID, "s", attempts), Epochs(3, 4), Call(before, seconds=60.0))
    assert (now.expected, now.ended, now.succeeded, now.epochs) == (4, 3, 2, (3, 4))
    assert now.best is not None
    assert now.best.run == "s-0000"
    assert now.seconds_left == pytest.approx(30.0), "two trials in a minute, one left"


def test_a_trial_has_failed_when_nobody_tries_it_again() -> None:
    """Until then it waits, is not over, and its further attempts take their time; a later call begins to count anew."""
    tries = [attempt("s-0000", FINISHED, 1), *(attempt(f"s-0001{end}", FAILED, 2) for end in ("", "-2", "-3"))]

    def now(tried: int, before: int = 0) -> tuple[dict[TrialState, int], int, float | None]:
        call = Call(trials_of_attempts(GRID, "s", tries[: before + 1]), seconds=60.0, attempts=2)
        found = progress(GRID, trials_of_attempts(GRID, "s", tries[: tried + 1]), None, call)
        return found.states, found.ended, found.seconds_left

    assert now(1) == ({FINISHED: 1, TrialState.FREE: 1}, 1, 180.0)
    assert now(2) == ({FINISHED: 1, FAILED: 1}, 2, 60.0)
    assert now(2, before=2)[:2] == ({FINISHED: 1, FAILED: 1}, 2), "as it was found"
    assert now(3, before=2)[:2] == ({FINISHED: 1, TrialState.FREE: 1}, 1)


@pytest.mark.parametrize(("method", "ended_before"), [("random", 0), ("grid", 2)])
def test_the_time_left_is_unknown_without_an_end_or_without_a_trial_of_this_call(
    method: str, ended_before: int
) -> None:
    sweep = GRID.model_copy(update={"method": method})
    trials = trials_of_attempts(sweep, "s", [attempt("s-0000", FINISHED, 1), attempt("s-0001", FINISHED, 2)])
    call = Call(trials[:ended_before], seconds=9.0)
    assert progress(sweep, trials, Epochs(), call).seconds_left is None


def trials(*attempts: tuple[int, TrialState]) -> list[Trial]:
    """Trials of a sweep of many points by the number of a point and the state of an attempt at it, in their order."""
    tried: dict[int, int] = {}
    found = []
    for point, state in attempts:
        tried[point] = tried.get(point, 0) + 1
        name = f"s-{point:04}" + (f"-{tried[point]}" if tried[point] > 1 else "")
        found.append(Attempt(name, state, {}, None))
    return trials_of_attempts(GRID, "s", found)


@pytest.mark.parametrize(
    ("expected", "before", "now", "most", "left"),
    [
        (20, [], [(0, FINISHED), (1, RUNNING)], 3, 2 * 60.0),
        (20, [], [(0, FINISHED), (1, FINISHED), (2, FINISHED)], 3, 0.0),
        (20, [(n, FINISHED) for n in range(18)], [(n, FINISHED) for n in range(19)], 3, 60.0),
        (20, [(0, FINISHED), (1, FINISHED)], [(0, FINISHED), (1, FINISHED), (2, STOPPED), (3, RUNNING)], 3, 2 * 60.0),
        (None, [], [(0, FINISHED), (1, FINISHED)], 6, 4 * 30.0),
        (None, [(0, FINISHED)], [(0, FINISHED), (1, STOPPED)], None, None),
        (4, [(0, FAILED), (1, FAILED)], [(0, FAILED), (1, FAILED), (0, FINISHED)], None, 3 * 60.0),
        (4, [(0, FAILED)], [(0, FAILED), (0, FAILED), (1, FINISHED)], None, 2 * 30.0),
        (4, [], [(0, FAILED), (0, RUNNING), (1, RUNNING)], 3, 2 * 60.0),
        (4, [(0, RUNNING)], [(0, RUNNING), (1, FINISHED)], 2, 60.0),
    ],
    ids=[
        "three of twenty",
        "all of a call",
        "fewer points than asked for",
        "a stopped trial counts, those of earlier calls do not",
        "a search without end",
        "a search without end, and no limit",
        "failed before, tried again now",
        "failed again in this call",
        "an attempt that failed is one of the three",
        "another machine has a trial",
    ],
)
def test_the_time_left_is_that_of_what_the_call_still_runs(
    expected: int | None,
    before: list[tuple[int, TrialState]],
    now: list[tuple[int, TrialState]],
    most: int | None,
    left: float | None,
) -> None:
    assert seconds_left(expected, trials(*now), Call(trials(*before), most, seconds=60.0)) == left
