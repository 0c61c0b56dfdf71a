"""Two groups of replicates with histories and scores: `base` with three seeds, `wide`, of which one seed was killed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kag import names
from kag.names import Part
from kag.stats.measure import Evaluation, measure
from kag.stats.scores import Scores
from kag.track.record import RunRecord, Status
from kag.track.result import Result
from kag.track.scores_of_run import write_scores
from tests.changelog.run_logs import make_folder
from tests.compare.test_replicates import own

PROTEINS = 12
POINTS = 60
"""Of each protein; the last one has no positive."""
EPOCHS = 6
LATER = {"optimizer.lr": 2e-4}
"""What is set in the second group."""


class ScoredRun(NamedTuple):
    """A run with everything that it logged and kept."""

    record: RunRecord
    rows: list[dict[str, float]]
    scores: tuple[Scores, ...]


@cache
def scored_runs() -> tuple[ScoredRun, ...]:
    """base-0, base-1, base-2, wide-0, wide-1, and wide-2, which was killed; each of the latter has a parent."""
    base = [_run(seed, "base", seed) for seed in range(3)]
    wide = [_run(3 + seed, "wide", seed, base[seed].record.id, killed=seed == 2) for seed in range(3)]
    return (*base, *wide)


def write_scored(runs: Path) -> None:
    """The runs as folders."""
    for record, rows, scores in scored_runs():
        folder = make_folder(runs, record, history=rows)
        if scores:
            write_scores(folder, scores)


def proteins_of(split: Part) -> tuple[str, ...]:
    """Names of the proteins of a split."""
    return tuple(f"{split[0]}{number:02}" for number in range(PROTEINS))


def _run(number: int, name: str, seed: int, parent: str | None = None, *, killed: bool = False) -> ScoredRun:
    digest = f"{number + 1:x}" * 64
    lift = 0.4 if name == "wide" else 0.0
    splits: tuple[Part, ...] = () if killed else ("val", "test")
    found = [_scores(split, seed, lift, digest) for split in splits]
    record = own(
        number,
        seed,
        LATER if name == "wide" else None,
        status=Status.KILLED if killed else Status.FINISHED,
        parent=parent,
        results=tuple(result for evaluation, _ in found for result in _results(evaluation, digest)),
    )
    renamed = record.model_copy(
        update={"name": f"{name}-{seed}", "id": record.id.replace(record.name, f"{name}-{seed}")}
    )
    return ScoredRun(renamed, list(_rows(seed, lift, 2 if killed else EPOCHS)), tuple(scores for _, scores in found))


def _scores(split: Part, seed: int, lift: float, digest: str) -> tuple[Evaluation, Scores]:
    """Logits of one run; the examples are those of every run, and the first protein gets worse where others gain."""
    examples = np.random.default_rng(len(split))
    group_N = np.repeat(np.arange(PROTEINS), POINTS)
    label_N = (examples.random(len(group_N)) < 0.15) & (group_N != PROTEINS - 1)
    own_N = np.random.default_rng(100 * seed + len(split)).normal(size=len(group_N))
    gain_N = np.where(group_N == 0, 1.5 - 2 * lift, 1.5 + lift)
    logit_N = (0.8 * examples.normal(size=len(group_N)) + 0.5 * own_N + gain_N * label_N - 1.0).astype(np.float32)
    evaluation = measure(split, logit_N, label_N, group_N, threshold=0.25, samples=30)
    scores = Scores(split, logit_N, label_N, group_N, proteins_of(split), 0.25, digest, "d" * 64)
    return evaluation, scores.keeping(evaluation.draws)


def _results(evaluation: Evaluation, digest: str) -> Iterator[Result]:
    for metric, value in evaluation.values.items():
        held = evaluation.intervals.get(metric)
        bounds: dict[str, Any] = {"ci_low": held.low, "ci_high": held.high} if held else {}
        common = {"weights": "raw", "weights_digest": digest, "data_digest": "d" * 64, "delivered": True, "epoch": 4}
        yield Result.model_validate(
            {
                "split": evaluation.split,
                "metric": metric,
                "value": value,
                **bounds,
                **common,
                "selected_on": "val/auprc",
            }
        )


def _rows(seed: int, lift: float, epochs: int) -> Iterator[dict[str, float]]:
    for epoch in range(epochs):
        rise = 1 - math.exp(-epoch / 2)
        yield {
            names.EPOCH: float(epoch),
            names.TRAIN_LOSS: 1.0 - 0.6 * rise + 0.02 * math.sin(epoch + seed),
            names.OBJECTIVE: 0.2 + (0.2 + 0.1 * lift) * rise + 0.015 * math.sin(2 * epoch + seed),
            names.LR: 1e-4,
        }
