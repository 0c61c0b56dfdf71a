"""What a search has found: the best trial, and how much each parameter mattered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from kag.sweep.config import Sweep
from kag.sweep.suggest import observed_study
from kag.sweep.trial import Trial

FEWEST = 4
"""Below this many finished trials no importance is stated."""


def best(sweep: Sweep, trials: Sequence[Trial]) -> Trial | None:
    """The finished trial with the best result, or None."""
    metric, done = sweep.metric, [trial for trial in trials if trial.counts]
    if metric is None:
        return None
    return min(done, key=lambda trial: (metric.loss(trial.result or 0.0), trial.id), default=None)


def importance(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, float]:
    """Parameter -> share of importance (PED-ANOVA, arXiv 2304.10255), largest first; empty where nothing tells."""
    import optuna

    done = [trial for trial in trials if trial.counts]
    varied = list(sweep.varied())
    if len(done) < FEWEST or sweep.metric is None or not varied:
        return {}
    if len({trial.result for trial in done}) == 1:  # of which optuna 4 says that all parameters matter alike
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Target and region quantiles")
        try:
            found = optuna.importance.get_param_importances(observed_study(sweep, done), evaluator=evaluator)
        except UserWarning:
            # The best trials are all of them: nothing tells the parameters apart.
            return {}
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
