"""Early termination as W&B defines it: hyperband over bands of iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kag.sweep.config import Hyperband, Sweep
from kag.sweep.trial import Trial, TrialId, TrialState


def stop(sweep: Sweep, trials: Sequence[Trial]) -> set[TrialId]:
    """The running trials that should end now.

    At band b (an iteration, counted from 0) all trials with more than b values are ranked by their value at b; the
    threshold is the value at position floor(n / eta). A running trial is judged at the last band that it has passed.
    """
    rule, metric = sweep.early_terminate, sweep.metric
    if rule is None or metric is None:
        return set()
    losses = {trial.id: [metric.loss(value) for value in trial.history if math.isfinite(value)] for trial in trials}
    bands = rule.bands(max((len(loss) for loss in losses.values()), default=0))
    thresholds = {band: _threshold(list(losses.values()), band, rule.eta) for band in bands}
    running = [trial.id for trial in trials if trial.state is TrialState.LEASED]
    return {number for number in running if _hopeless(losses[number], thresholds, rule)}


def _threshold(losses: list[list[float]], band: int, eta: float) -> float:
    values = sorted(loss[band] for loss in losses if len(loss) > band)
    return values[int(len(values) / eta)]


def _hopeless(loss: list[float], thresholds: dict[int, float], rule: Hyperband) -> bool:
    passed = [band for band in thresholds if band < len(loss)]
    if not passed:
        return False
    band = max(passed)
    reached = loss[band] if rule.strict else min(loss)
    return reached > thresholds[band]
