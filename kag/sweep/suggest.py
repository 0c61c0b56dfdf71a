"""The next point of a search: a pure function of the sweep, its trials so far and a seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kag.sweep.config import Params, Sweep
from kag.sweep.distribution import Categorical, Distribution
from kag.sweep.trial import Trial, TrialState, point_digest

if TYPE_CHECKING:
    import optuna

Suggest = Callable[[Sweep, Sequence[Trial], int], Params | None]
"""Gives the next point of a search as `suggest` does."""

Model = Callable[[Sweep, Sequence[Trial], int], Params]
"""Gives the next point by a model of the trials so far, as `modelled_point` does."""

STARTUP = 8
"""Trials that bayes draws at random before it models anything."""


def suggest(sweep: Sweep, trials: Sequence[Trial], seed: int, model: Model | None = None) -> Params | None:
    """The point after these trials, or None if the search is at its end.

    Args:
        trials: every trial so far, running ones included.
        seed: with the same trials it gives the same point.
        model: asked by bayes; None for `modelled_point`.
    """
    if capped(sweep, sum(not trial.prior for trial in trials)) or target_reached(sweep, trials):
        return None
    if sweep.method == "grid":
        return next_of_grid(sweep, {point_digest(trial.params) for trial in trials}.__contains__)
    if sweep.method == "random":
        return random_point(sweep, len(trials), seed)
    return (model or modelled_point)(sweep, trials, seed)


def capped(sweep: Sweep, own: int) -> bool:
    """Whether a sweep with so many trials, not counting runs from before it, may have no more."""
    return sweep.run_cap is not None and own >= sweep.run_cap


def target_reached(sweep: Sweep, trials: Sequence[Trial]) -> bool:
    """Whether some trial is as good as the metric's target asks."""
    metric = sweep.metric
    if metric is None or metric.target is None:
        return False
    goal = metric.loss(metric.target)
    return any(
        trial.result is not None and math.isfinite(trial.result) and metric.loss(trial.result) <= goal
        for trial in trials
    )


def next_of_grid(sweep: Sweep, taken: Callable[[str], bool], last: Params | None = None) -> Params | None:
    """The first point of a grid that is not taken.

    Args:
        taken: whether a trial has the point of a digest.
        last: the point that was given out last: all points before it are taken.
    """
    points = sweep.grid(0 if last is None else sweep.place(last))
    return next((point for point in points if not taken(point_digest(point))), None)


def random_point(sweep: Sweep, size: int, seed: int) -> Params:
    """A point from the distributions alone; the same one for a sweep with so many trials."""
    import optuna

    return drawn(sweep, observed_study(sweep, (), optuna.samplers.RandomSampler(seed=_draw_seed(seed, size))))[0]


def modelled_point(sweep: Sweep, trials: Sequence[Trial], seed: int) -> Params:
    """A point by a model of the trials so far: a tree-structured Parzen estimator (NeurIPS 2011, Bergstra et al.)."""
    return drawn(sweep, observed_study(sweep, trials, sampler(seed, len(trials))))[0]


def sampler(seed: int, size: int) -> optuna.samplers.BaseSampler:
    """What draws the point by Bayes after so many trials."""
    import optuna

    return optuna.samplers.TPESampler(seed=_draw_seed(seed, size), n_startup_trials=STARTUP, constant_liar=True)


def _draw_seed(seed: int, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{size}".encode()).digest()[:4])


def drawn(sweep: Sweep, study: optuna.Study) -> tuple[Params, optuna.Trial]:
    """A point from a study of a sweep, and the trial that the study has begun for it."""
    trial = study.ask(_space(sweep.varied()))
    return {key: _value(leaf, trial.params.get(key, 0.5)) for key, leaf in sweep.leaves().items()}, trial


def observed_study(
    sweep: Sweep, trials: Sequence[Trial], sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """An Optuna study of these trials, every parameter on the unit interval or as a category."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, losses = optuna.create_study(sampler=sampler), losses_of(sweep, trials)
    observe(study, sweep, [(trial.params, losses[trial.id]) for trial in trials])
    return study


def observe(study: optuna.Study, sweep: Sweep, seen: Iterable[tuple[Params, float | None]]) -> None:
    """Add points to a study of a sweep, each with its loss, or None while it runs."""
    import optuna
    from optuna.trial import TrialState as Seen

    leaves = sweep.varied()
    space = _space(leaves)
    for point, loss in seen:
        params = {key: _coordinate(leaf, point[key]) for key, leaf in leaves.items()}
        state = Seen.RUNNING if loss is None else Seen.COMPLETE
        study.add_trial(optuna.create_trial(state=state, params=params, distributions=space, value=loss))


def _space(leaves: Mapping[str, Distribution]) -> dict[str, optuna.distributions.BaseDistribution]:
    """A listed parameter has no order, so the model gets its index as a category; all else is a share of the unit."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        key: CategoricalDistribution(range(len(leaf.values)))
        if isinstance(leaf, Categorical)
        else FloatDistribution(0.0, 1.0)
        for key, leaf in leaves.items()
    }


def _value(leaf: Distribution, drawn: Any) -> Any:
    return leaf.values[drawn] if isinstance(leaf, Categorical) else leaf.value(float(drawn))


def _coordinate(leaf: Distribution, value: Any) -> Any:
    return leaf.index(value) if isinstance(leaf, Categorical) else leaf.share(value)


def losses_of(sweep: Sweep, trials: Sequence[Trial]) -> dict[int, float | None]:
    """Trial -> what to minimise; None while it runs. A failed trial counts as the metric's `impute` says."""
    loss, impute = (sweep.metric.loss, sweep.metric.impute) if sweep.metric else (float, "worst")
    known = {t.id: loss(t.result) for t in trials if t.result is not None and math.isfinite(t.result)}
    ended = [known[t.id] for t in trials if t.id in known and t.state.over and t.state is not TrialState.FAILED]
    losses: dict[int, float | None] = {}
    for trial in trials:
        if not trial.state.over:
            losses[trial.id] = None
        elif trial.id in known and (trial.state is not TrialState.FAILED or impute == "latest"):
            losses[trial.id] = known[trial.id]
        else:
            losses[trial.id] = (min(ended) if impute == "best" else max(ended)) if ended else 0.0
    return losses
