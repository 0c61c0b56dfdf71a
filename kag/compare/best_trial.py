"""The best trial of a sweep: one with a lucky seed is not the best, the settings with the best mean over seeds are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kag.compare.replicates import means_over_seeds
from kag.sweep import Sweep, Trial
from kag.sweep.importance import best
from kag.track.record import RunRecord
from kag.view.changes import is_seed


def best_trial(sweep: Sweep, trials: Sequence[Trial], records: Mapping[str, RunRecord]) -> Trial | None:
    """The finished trial with the best result; of a sweep over seeds the best one of the settings with the best mean.

    Args:
        records: run of a trial, as the trial names it -> record, as far as they are known. A trial without one stands
            for itself.
    """
    metric, top = sweep.metric, best(sweep, trials)
    if metric is None or top is None or not any(map(is_seed, sweep.varied())):
        return top
    done = [trial for trial in trials if trial.counts]
    losses = {
        record.id: metric.loss(trial.result)
        for trial in done
        if trial.result is not None and (record := records.get(trial.run or "")) is not None
    }
    known = [record for record in records.values() if record.id in losses]
    means = means_over_seeds(known, lambda record: losses.get(record.id))

    def rank(trial: Trial) -> tuple[float, float, int]:
        own, record = metric.loss(trial.result or 0.0), records.get(trial.run or "")
        return means.get(record.id, own) if record else own, own, trial.id

    return min(done, key=rank)
