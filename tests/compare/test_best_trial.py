"""The best trial of a sweep over seeds is one of the settings with the best mean."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kag.compare.best_trial import best_trial
from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.importance import best
from kag.sweep.trial import TrialId
from kag.track.record import RunRecord
from tests.changelog.run_logs import run_record
from tests.compare.scored_trials import seeded

RATES = (0.1, 0.2, 0.3)


def sweep_of(goal: str, **parameters: Any) -> Sweep:
    given = {key: {"values": values} for key, values in parameters.items()}
    tree = {"method": "grid", "program": "train.py", "metric": {"name": "score", "goal": goal}}
    return parse_sweep({**tree, "parameters": given})


def trial(number: int, params: dict[str, Any], value: float) -> Trial:
    told = {"params": params, "run": f"w{number}", "value": value, "history": (value,)}
    return Trial(id=TrialId(number), state=TrialState.FINISHED, **told)


def record(number: int, seed: int, lr: float) -> RunRecord:
    return run_record(number, f"t{number}", wandb_id=f"w{number}", data_digest="d" * 64, **seeded(seed, lr))


@given(st.sampled_from(["maximize", "minimize"]), st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_it_is_the_best_trial_of_the_best_mean(goal: str, values: list[int]) -> None:
    points = [(seed, lr) for lr in RATES for seed in range(2)]
    trials = [trial(n, {"seed": s, "lr": lr}, float(values[n])) for n, (s, lr) in enumerate(points)]
    records = {f"w{n}": record(n, s, lr) for n, (s, lr) in enumerate(points)}
    pick = max if goal == "maximize" else min
    found = best_trial(sweep_of(goal, seed=[0, 1], lr=list(RATES)), trials, records)
    assert found is not None
    group = [one for one in trials if one.params["lr"] == found.params["lr"]]
    means = [sum(values[2 * place : 2 * place + 2]) for place in range(3)]
    assert sum(one.value or 0.0 for one in group) == pick(means)
    assert found.value == pick(one.value for one in group if one.value is not None)


def test_without_seeds_and_without_records_every_trial_stands_for_itself() -> None:
    trials = [trial(n, {"seed": n % 2, "lr": RATES[n // 2]}, value) for n, value in enumerate((3.0, 3.0, 5.0, 0.0))]
    over_seeds, over_rates = sweep_of("maximize", seed=[0, 1], lr=list(RATES)), sweep_of("maximize", lr=list(RATES))
    known = {f"w{n}": record(n, n % 2, RATES[n // 2]) for n in range(4)}
    assert best_trial(over_rates, trials, known) == best(over_rates, trials) == trials[2]
    assert best_trial(over_seeds, trials, {}) == trials[2]
    top = best_trial(over_seeds, trials, known)
    assert top is not None
    assert top.params["lr"] == RATES[0]
    assert best_trial(over_seeds, [], known) is None
