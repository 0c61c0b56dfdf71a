"""Early termination as W&B defines it: hyperband over bands of iterations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kag.sweep.config import Hyperband, Metric, Sweep
from kag.sweep.trial import Trial, TrialId, TrialState


def stop(sweep: Sweep, trials: Sequence[Trial]) -> set[TrialId]:
    """The running trials that should end now.

    At band b (an iteration, counted from 0) all trials with more than b values are ranked by their value at b; the
    threshold is the value at position floor(n / eta). A running trial is judged at the last band that it has passed.
    """
    rule, metric = sweep.early_terminate, sweep.metric
    if rule is None or metric is None:
        return set()
    losses = {trial.id: _losses(metric, trial) for trial in trials}
    bands = rule.bands(max((len(loss) for loss in losses.values()), default=0))
    thresholds = {band: _threshold(list(losses.values()), band, sweep) for band in bands}
    running = [trial.id for trial in trials if trial.state is TrialState.LEASED]
    return {number for number in running if _hopeless(losses[number], thresholds, rule)}


def passed(sweep: Sweep, trial: Trial) -> dict[int, float]:
    """Band -> the loss of a trial there, for the bands that it has passed; all that it adds to what others face."""
    if sweep.early_terminate is None or sweep.metric is None or not trial.history:
        return {}
    loss = _losses(sweep.metric, trial)
    return {band: loss[band] for band in sweep.early_terminate.bands(len(loss))}


def place(sweep: Sweep, size: int) -> int:
    """Where the threshold stands among the losses of so many trials at a band, the smallest first."""
    return int(size / sweep.early_terminate.eta) if sweep.early_terminate else 0


def is_hopeless(sweep: Sweep, trial: Trial, thresholds: Mapping[int, float]) -> bool:
    """Whether a running trial is behind the threshold of the last of these bands that it has passed."""
    rule, metric = sweep.early_terminate, sweep.metric
    return rule is not None and metric is not None and _hopeless(_losses(metric, trial), thresholds, rule)


def _losses(metric: Metric, trial: Trial) -> list[float]:
    return [metric.loss(value) for value in trial.history if math.isfinite(value)]


def _threshold(losses: list[list[float]], band: int, sweep: Sweep) -> float:
    values = sorted(loss[band] for loss in losses if len(loss) > band)
    return values[place(sweep, len(values))]


def _hopeless(loss: list[float], thresholds: Mapping[int, float], rule: Hyperband) -> bool:
    passed = [band for band in thresholds if band < len(loss)]
    if not passed:
        return False
    band = max(passed)
    reached = loss[band] if rule.strict else min(loss)
    return reached > thresholds[band]
