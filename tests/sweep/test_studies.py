"""A study that is kept draws what one that is made anew would draw, whatever has happened to its trials meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.sweep import Sweep, Trial, TrialState, parse_sweep
from kag.sweep.studies import STUDIES, Studies
from kag.sweep.suggest import STARTUP, modelled_point, observe, random_point

SPACE = {
    "lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 1.0},
    "k": {"values": ["x", "y", "z"]},
    "layers": {"min": 1, "max": 7},
    "fixed": {"value": 3},
}


def sweep_with(impute: str) -> Sweep:
    metric = {"name": "loss", "goal": "maximize", "impute": impute}
    return parse_sweep({"method": "bayes", "program": "t", "metric": metric, "parameters": SPACE})


def trial(at: int, params: dict[str, Any], state: TrialState, value: float | None) -> Trial:
    return Trial(id=at, params=params, state=state, value=value, attempt=1)


@settings(max_examples=8, deadline=None)
@given(data=st.data(), impute=st.sampled_from(["latest", "best", "worst"]), seed=st.integers(0, 2**31 - 1))
def test_a_kept_study_draws_what_a_new_one_draws(data: st.DataObject, impute: str, seed: int) -> None:
    """Trials come, also those of other servers; they end, fail, run again, and say another value at last."""
    sweep, studies = sweep_with(impute), Studies()
    states = st.sampled_from([TrialState.FINISHED] * 6 + [*TrialState])
    values = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(allow_nan=True))
    known = [trial(at, random_point(sweep, at, seed), TrialState.FINISHED, float(at % 5)) for at in range(STARTUP + 2)]
    for _ in range(data.draw(st.integers(2, 6))):
        found = studies(sweep, known, seed)
        assert found == modelled_point(sweep, known, seed)
        known = [*known, trial(len(known), found, TrialState.LEASED, None)]
        for at in data.draw(st.lists(st.integers(0, len(known) - 1), max_size=4)):
            known[at] = trial(at, known[at].params, data.draw(states), data.draw(values))
        if data.draw(st.integers(0, 5)) == 0:
            known = known[: data.draw(st.integers(1, len(known)))]


def test_what_a_kept_study_is_told_is_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def noted(study: Any, sweep: Sweep, seen: Any) -> None:
        told.append(len(seen))
        observe(study, sweep, seen)

    monkeypatch.setattr("kag.sweep.studies.observe", noted)
    sweep, studies = sweep_with("worst"), Studies()
    known: list[Trial] = []
    for at in range(STARTUP + 6):
        point = studies(sweep, known, 7)
        assert point == modelled_point(sweep, known, 7)
        if known:  # each is better than all before it, so that it matters whether it is known to have ended
            known[-1] = known[-1].model_copy(update={"state": TrialState.FINISHED, "value": float(at)})
        known.append(trial(at, point, TrialState.LEASED, None))
    assert told == [0] + [1] * (STARTUP + 5)


def test_studies_hold_no_more_than_they_have_room_for() -> None:
    studies = Studies(room=30)
    sweep = sweep_with("worst")
    done = [trial(at, random_point(sweep, at, 1), TrialState.FINISHED, 1.0) for at in range(12)]
    for seed in (1, 2, 3, 2, 2):
        assert studies(sweep, done, seed) == modelled_point(sweep, done, seed)
        assert sum(one.size for one in studies._held.values()) <= 30
    for seed in range(2 * STUDIES):
        studies(sweep, (), seed)
    assert len(studies._held) == STUDIES


def test_a_sweep_whose_config_has_changed_has_another_study() -> None:
    studies = Studies()
    for impute in ("worst", "best"):
        sweep = sweep_with(impute)
        known = [trial(at, random_point(sweep, at, 1), TrialState.FINISHED, float(at)) for at in range(10)]
        known.append(trial(10, known[0].params, TrialState.FAILED, None))
        assert studies(sweep, known, 5) == modelled_point(sweep, known, 5)
        assert next(iter(studies._held.values())).sweep == sweep
