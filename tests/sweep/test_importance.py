"""What a search has found."""

from __future__ import annotations

import random

from kag.sweep import Trial, TrialState, parse_sweep
from kag.sweep.importance import best, importance

SWEEP = parse_sweep(
    {
        "method": "random",
        "metric": {"name": "val/auprc", "goal": "maximize"},
        "parameters": {
            "much": {"min": 0.0, "max": 1.0},
            "little": {"min": 0.0, "max": 1.0},
            "kind": {"values": ["a", "b"]},
            "fixed": {"value": 1},
        },
    }
)


def trials_of(count: int) -> list[Trial]:
    dice = random.Random(0)
    made = []
    for number in range(count):
        params = {"much": dice.random(), "little": dice.random(), "kind": dice.choice("ab"), "fixed": 1}
        value = params["much"] + 0.05 * params["little"]
        made.append(Trial(id=number, params=params, state=TrialState.FINISHED, value=value))
    return made


def test_the_parameter_that_drives_the_metric_is_the_most_important() -> None:
    found = importance(SWEEP, trials_of(60))
    assert next(iter(found)) == "much"
    assert set(found) == {"much", "little", "kind"}
    assert abs(sum(found.values()) - 1.0) < 1e-6
    assert found["much"] > 0.6


def test_too_few_trials_give_no_importance() -> None:
    assert importance(SWEEP, trials_of(3)) == {}


def test_trials_that_are_all_alike_give_no_importance() -> None:
    assert importance(SWEEP, [trial.model_copy(update={"value": 0.5}) for trial in trials_of(20)]) == {}


def test_the_best_trial_is_finished_and_has_a_number() -> None:
    params = {"much": 0.1, "little": 0.1, "kind": "a", "fixed": 1}
    trials = [
        Trial(id=0, params=params, state=TrialState.FINISHED, value=0.4),
        Trial(id=1, params=params, state=TrialState.FINISHED, value=0.6),
        Trial(id=2, params=params, state=TrialState.FAILED, value=0.9),
        Trial(id=3, params=params, state=TrialState.STOPPED, value=0.8),
        Trial(id=4, params=params, state=TrialState.FINISHED, value=float("nan")),
        Trial(id=5, params=params, state=TrialState.FINISHED),
    ]
    found = best(SWEEP, trials)
    assert found is not None
    assert found.id == 1
    assert best(SWEEP, trials[2:]) is None
