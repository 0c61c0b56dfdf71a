"""The next point of a search: a pure function of the sweep, its trials so far and a seed."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kag.sweep.config import Params, Sweep
from kag.sweep.distribution import Categorical, Constant, Distribution
from kag.sweep.trial import Trial, TrialState, point_digest

if TYPE_CHECKING:
    import optuna

STARTUP = 8
"""Trials that bayes draws at random before it models anything."""


def suggest(sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params | None:
    """The point after these trials, or None if the search is at its end.

    Args:
        sweep: the sweep.
        trials: every trial so far, running ones included.
        seed: with the same trials it gives the same point.
    """
    if sweep.run_cap is not None and len(trials) >= sweep.run_cap:
        return None
    if sweep.metric is not None and target_reached(sweep, trials):
        return None
    if sweep.method == "grid":
        return _next_of_grid(sweep, trials)
    return _sampled(sweep, trials, seed)


def target_reached(sweep: Sweep, trials: Sequence[Trial]) -> bool:
    """Whether some trial is as good as the metric's target asks."""
    metric = sweep.metric
    if metric is None or metric.target is None:
        return False
    results = [trial.result for trial in trials if trial.result is not None]
    return any(metric.better(result, metric.target) for result in results)


def _next_of_grid(sweep: Sweep, trials: Sequence[Trial]) -> Params | None:
    done = {point_digest(trial.params) for trial in trials}
    leaves = sweep.leaves()
    for values in itertools.product(*(leaf.levels() or () for leaf in leaves.values())):
        point = dict(zip(leaves, values, strict=True))
        if point_digest(point) not in done:
            return point
    return None


def _sampled(sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params:
    """Draw from an Optuna study that holds the trials so far on the unit cube."""
    import optuna

    leaves = sweep.varied()
    draw_seed = int.from_bytes(hashlib.sha256(f"{seed}:{len(trials)}".encode()).digest()[:4])
    bayes = sweep.method == "bayes"
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.TPESampler(seed=draw_seed, n_startup_trials=STARTUP, constant_liar=True)
        if bayes
        else optuna.samplers.RandomSampler(seed=draw_seed)
    )
    space = {key: _space(leaf, bayes) for key, leaf in leaves.items()}
    study = _study(sampler)
    if bayes and leaves:
        study.add_trials(_observed(sweep, trials, leaves, space))
    drawn = study.ask(space).params
    point = {key: _value(leaf, drawn[key], bayes) for key, leaf in leaves.items()}
    constants = {key: leaf.value(0.5) for key, leaf in sweep.leaves().items() if isinstance(leaf, Constant)}
    return dict(sorted({**point, **constants}.items()))


def observed_study(sweep: Sweep, trials: Sequence[Trial]) -> optuna.Study:
    """An Optuna study of these trials, every parameter on the unit interval or as a category."""
    import optuna

    leaves = sweep.varied()
    study = _study(optuna.samplers.RandomSampler(seed=0))
    study.add_trials(_observed(sweep, trials, leaves, {key: _space(leaf, True) for key, leaf in leaves.items()}))
    return study


def _study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.InMemoryStorage()
    study_id = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], study_name="sweep")
    name = storage.get_study_name_from_id(study_id)
    return optuna.Study(study_name=name, storage=storage, sampler=sampler)


def _space(leaf: Distribution, bayes: bool) -> optuna.distributions.BaseDistribution:
    """A listed parameter has no order, so the model gets its index as a category; all else is a share of the unit."""
    import optuna

    if bayes and isinstance(leaf, Categorical):
        return optuna.distributions.CategoricalDistribution(tuple(range(len(leaf.values))))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _value(leaf: Distribution, drawn: Any, bayes: bool) -> Any:
    return leaf.values[drawn] if bayes and isinstance(leaf, Categorical) else leaf.value(float(drawn))


def _coordinate(leaf: Distribution, value: Any) -> Any:
    if isinstance(leaf, Categorical):
        return int(leaf.share(value) * len(leaf.values))
    return leaf.share(value)


def _observed(
    sweep: Sweep,
    trials: Sequence[Trial],
    leaves: dict[str, Distribution],
    space: dict[str, optuna.distributions.BaseDistribution],
) -> list[optuna.trial.FrozenTrial]:
    from optuna.trial import TrialState as Seen
    from optuna.trial import create_trial

    losses = _losses(sweep, trials)
    return [
        create_trial(
            state=Seen.RUNNING if losses[trial.id] is None else Seen.COMPLETE,
            params={key: _coordinate(leaf, trial.params[key]) for key, leaf in leaves.items()},
            distributions=space,
            value=losses[trial.id],
        )
        for trial in trials
    ]


def _losses(sweep: Sweep, trials: Sequence[Trial]) -> dict[int, float | None]:
    """Trial -> what to minimise; None while it runs. A failed trial counts as the metric's `impute` says."""
    sign = -1.0 if sweep.metric and sweep.metric.goal == "maximize" else 1.0
    known = {t.id: sign * t.result for t in trials if t.result is not None and math.isfinite(t.result)}
    ended = [known[t.id] for t in trials if t.id in known and t.state.over and t.state is not TrialState.FAILED]
    impute = sweep.metric.impute if sweep.metric else "worst"
    losses: dict[int, float | None] = {}
    for trial in trials:
        if not trial.state.over:
            losses[trial.id] = None
        elif trial.id in known and (trial.state is not TrialState.FAILED or impute == "latest"):
            losses[trial.id] = known[trial.id]
        else:
            losses[trial.id] = (min(ended) if impute == "best" else max(ended)) if ended else 0.0
    return losses
