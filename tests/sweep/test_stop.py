"""Hyperband as W&B defines it."""

from __future__ import annotations

from typing import Any

import pytest

from kag.sweep import Sweep, Trial, TrialState, parse_sweep, stop


def sweep_of(goal: str = "minimize", **rule: Any) -> Sweep:
    return parse_sweep(
        {
            "method": "random",
            "metric": {"name": "loss", "goal": goal},
            "early_terminate": {"type": "hyperband", **rule},
            "parameters": {"x": {"min": 0.0, "max": 1.0}},
        }
    )


def trial(number: int, history: list[float], state: TrialState = TrialState.LEASED) -> Trial:
    return Trial(id=number, params={}, state=state, history=tuple(history))


@pytest.mark.parametrize(
    ("rule", "longest", "bands"),
    [
        ({"min_iter": 3}, 100, [3, 9, 27, 81]),
        ({"min_iter": 3}, 9, [3]),
        ({"min_iter": 2, "eta": 2}, 20, [2, 4, 8, 16]),
        ({"min_iter": 1, "eta": 1.5}, 6, [1, 2, 3, 5]),
        ({"max_iter": 27, "s": 2}, 100, [3, 9]),
        ({"max_iter": 27, "s": 9}, 100, [1, 3, 9]),
        ({"max_iter": 27, "s": 2}, 9, [3]),
        ({"min_iter": 3}, 0, []),
    ],
)
def test_bands(rule: dict[str, Any], longest: int, bands: list[int]) -> None:
    early = sweep_of(**rule).early_terminate
    assert early is not None
    assert early.bands(longest) == bands


def test_the_best_third_goes_on() -> None:
    trials = [trial(i, [10.0, 9.0, 8.0, float(i)]) for i in range(6)]
    assert stop(sweep_of(min_iter=3), trials) == {3, 4, 5}
    assert stop(sweep_of(goal="maximize", min_iter=3), trials) == {0, 1, 2}


def test_only_running_trials_are_stopped_but_all_are_compared() -> None:
    trials = [
        trial(0, [10, 9], TrialState.FINISHED),
        trial(1, [10, 10]),
        trial(2, [10, 8, 8]),
        trial(3, [10, 7, 7]),
        trial(4, [10, 6, 6], TrialState.FINISHED),
    ]
    assert stop(sweep_of(max_iter=5, eta=2, s=2), trials) == {1, 2}


def test_a_trial_is_judged_at_the_last_band_that_it_has_passed() -> None:
    recovered = trial(0, [9.0] * 4 + [0.1] * 6)
    others = [trial(i, [1.0] * 10, TrialState.FINISHED) for i in range(1, 6)]
    assert stop(sweep_of(min_iter=3), [recovered, *others]) == set()


def test_strict_compares_the_value_at_the_band_and_lenient_the_best_so_far() -> None:
    trials = [trial(0, [0.5, 3.0, 3.0, 3.0]), *(trial(i, [1.0] * 4, TrialState.FINISHED) for i in range(1, 6))]
    assert stop(sweep_of(min_iter=3), trials) == {0}
    assert stop(sweep_of(min_iter=3, strict=False), trials) == set()


def test_nothing_is_stopped_before_the_first_band_or_without_a_rule() -> None:
    trials = [trial(0, [9.0, 9.0, 9.0]), trial(1, [1.0, 1.0, 1.0])]
    assert stop(sweep_of(min_iter=3), trials) == set()
    plain = parse_sweep({"method": "random", "parameters": {"x": {"value": 1}}})
    assert stop(plain, [trial(0, [9.0] * 50), trial(1, [1.0] * 50)]) == set()


def test_values_that_are_no_numbers_are_left_out() -> None:
    trials = [trial(i, [float("nan"), 1.0, 1.0, 1.0 + i]) for i in range(3)]
    assert stop(sweep_of(min_iter=3), trials) == set(), "three numbers are not past band 3"
