"""What a search has found: the best trial, and how much each parameter mattered."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from kag.sweep.config import Sweep
from kag.sweep.suggest import observed_study
from kag.sweep.trial import Trial, TrialState

FEWEST = 4
"""Below this many finished trials no importance is stated."""


def best(sweep: Sweep, trials: Sequence[Trial]) -> Trial | None:
    """The finished trial with the best result, or None."""
    done = [t for t in trials if t.state is TrialState.FINISHED and t.result is not None and math.isfinite(t.result)]
    if not done or sweep.metric is None:
        return None
    sign = -1.0 if sweep.metric.goal == "maximize" else 1.0
    return min(done, key=lambda trial: (sign * (trial.result or 0.0), trial.id))


def importance(sweep: Sweep, trials: Sequence[Trial]) -> dict[str, float]:
    """Parameter -> share of importance (PED-ANOVA, arXiv 2304.10255), largest first; empty where nothing tells."""
    import optuna

    done = [t for t in trials if t.state is TrialState.FINISHED and t.result is not None and math.isfinite(t.result)]
    varied = list(sweep.varied())
    if len(done) < FEWEST or sweep.metric is None or not varied:
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
