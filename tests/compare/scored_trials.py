"""Trials with scores on val: the same signal in all, and luck of each one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kag.stats.bootstrap import metric_draws
from kag.stats.scores import Scores
from kag.track.record import RunRecord
from kag.track.scores_of_run import write_scores
from tests.changelog.run_logs import make_folder, run_record, run_result

PROTEINS, POINTS = 12, 30
GROUPS = tuple(f"p{number:02}" for number in range(PROTEINS))


def scored(trial: int, *, noise: float = 1.0, examples: int = 0) -> Scores:
    """Scores of a trial; another number of examples gives other examples."""
    known = np.random.default_rng(examples)
    group_N = np.repeat(np.arange(PROTEINS), POINTS)
    label_N = known.random(PROTEINS * POINTS) < 0.2
    luck_N = np.random.default_rng(100 + trial).normal(size=len(label_N)) * noise
    logit_N = (label_N + luck_N).astype(np.float32)
    found = Scores("val", logit_N, label_N, group_N, GROUPS, 0.0, weights(trial), "d" * 64)
    return found.keeping(metric_draws(logit_N, label_N, group_N, 0.0, samples=50))


def weights(trial: int) -> str:
    """Digest of its weights."""
    return f"{trial:064x}"


def trial_of(number: int, scores: Scores, **fields: Any) -> RunRecord:
    """The record of a trial."""
    result = run_result("val", scores.draws["auprc"].value, weights_digest=weights(number))
    return run_record(number, f"t{number}", results=(result,), data_digest="d" * 64, sweep="s", **fields)


def kept_trial(runs: Path, number: int, *, noise: float = 1.0, scores: bool = True, **fields: Any) -> RunRecord:
    """A trial on disk."""
    own = scored(number, noise=noise)
    record = trial_of(number, own, **fields)
    folder = make_folder(runs, record)
    if scores:
        write_scores(folder, [own])
    return record


def seeded(seed: int, lr: float) -> dict[str, Any]:
    """What makes replicates of trials that differ in the seed alone."""
    return {"config": {"seed": seed, "optimizer.lr": lr}, "found": {"code_digest": "c"}, "world": {"device": "cpu"}}
