"""What needs no network, as runs beside those of `sweeps/sites.yaml`: prevalence, and gradient boosting.

    python -m tests.sites.baselines DATA.h5 RUNS --trials 60 --seeds 5

Gradient boosting sees the tabular columns and the embedding of the point's own residue, or that and the mean of its
neighbours' as well. It is chosen by val among as many settings as the model is. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kag.data.opened import open_sites
from kag.data.sites import Sites
from kag.names import Part
from kag.stats.scores import Scores, grouped
from kag.track.begin import environment
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.git import git_facts
from kag.track.looks import looks_of
from kag.track.record import RunRecord, Status
from kag.track.scores_of_run import write_scores
from kag.weights.ensemble import measured

SWEEP = "boosting"
"""Of the search's trials."""

Scored = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Logits of some points."""


class Baseline(NamedTuple):
    """A run to be made."""

    name: str
    change: str
    config: dict[str, Any]
    fitted: Callable[[], Scored]
    sweep: str | None = None


def inputs_of(sites: Sites, neighbours: bool) -> NDArray[np.float32]:
    """Tabular columns and the point's own residue, (N, F + D), or with the mean of its neighbours, (N, F + 2 D)."""
    parts = [sites.tabular_NF, sites.residue_RD[sites.centre_N]]
    if neighbours:
        known_NK1 = (sites.neighbour_NK >= 0)[..., None]
        total_ND = np.where(known_NK1, sites.residue_RD[sites.neighbour_NK], 0.0).sum(1)
        parts.append(total_ND / np.maximum(known_NK1.sum(1), 1))
    return np.hstack(parts).astype(np.float32)


def prevalence(sites: Sites) -> Baseline:
    """Every point alike: AUPRC is the share of positives."""

    def fitted() -> Scored:
        share = float(sites.label_N[sites.index("train")].mean())
        return lambda index_N: np.full(len(index_N), np.log(share / (1 - share)), np.float32)

    return Baseline("prevalence", "Every point alike", {"model": "constant"}, fitted)


def boosting(sites: Sites, settings: dict[str, Any], *, neighbours: bool, sweep: str | None) -> Baseline:
    """Gradient boosting with some settings, which name the seed."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def fitted() -> Scored:
        input_NX, train_N = inputs_of(sites, neighbours), sites.index("train")
        given = {name: value for name, value in settings.items() if name != "seed"}
        trees = HistGradientBoostingClassifier(**given, early_stopping=False, random_state=settings["seed"])
        trees.fit(input_NX[train_N], sites.label_N[train_N])
        return lambda index_N: trees.decision_function(input_NX[index_N]).astype(np.float32)

    name = "boosting-neighbours" if neighbours else "boosting"
    said = "Gradient boosting on tabular columns and the point's own residue"
    config = {"model": "gradient boosting", "inputs.neighbours": neighbours, **settings}
    return Baseline(name, said + (", and its neighbours' mean" if neighbours else ""), config, fitted, sweep)


def drawn(trials: int) -> Iterator[dict[str, Any]]:
    """Settings of a random search, the same in every call."""
    generator = np.random.default_rng(0)
    for _ in range(trials):
        yield {
            "learning_rate": float(np.exp(generator.uniform(np.log(0.05), np.log(0.25)))),
            "max_iter": int(generator.choice([80, 120, 160])),
            "max_leaf_nodes": int(generator.choice([7, 15, 31])),
            "min_samples_leaf": int(generator.choice([10, 20, 50, 100])),
            "l2_regularization": float(np.exp(generator.uniform(np.log(0.01), np.log(30.0)))),
            "max_features": float(generator.choice([0.1, 0.2, 0.4])),
            "class_weight": [None, "balanced"][int(generator.integers(2))],
            "seed": 1,
        }


def keep(runs: Path, sites: Sites, baseline: Baseline) -> RunRecord:
    """Fit a baseline and keep it as a run folder with its scores, by which it can be compared with any other run.

    A trial of a search leaves test alone.
    """
    start, said = datetime.now(UTC), json.dumps(baseline.config, sort_keys=True)
    score, digest = baseline.fitted(), hashlib.sha256(f"{baseline.name} {said}".encode()).hexdigest()
    found = [measured(scores_of(sites, "val", score, digest))]
    if baseline.sweep is None:
        found.append(measured(scores_of(sites, "test", score, digest), found[0].scores.threshold))
    rows, end = tuple(row for one in found for row in one.results), datetime.now(UTC)
    looks = looks_of(rows, by="eval", when=end, file=sites.path.name)
    with RunFolder.creating(runs, baseline.name, start) as folder:
        record = RunRecord(
            id=folder.id,
            name=baseline.name,
            status=Status.FINISHED,
            start=start,
            end=end,
            change=baseline.change,
            config=baseline.config,
            data_digest=sites.digest,
            environment=environment(),
            results=rows,
            looks=looks,
            git=git_facts(Path.cwd(), parent_commit=None),
            sweep=baseline.sweep,
        )
        folder.append_looks(looks)
        write_scores(folder, [one.scores for one in found])
        folder.write_record(record)
    return record


def scores_of(sites: Sites, split: Part, score: Scored, digest: str) -> Scores:
    """What a model says of a split, in the form in which kag keeps it."""
    index_N = sites.index(split)
    group_N, groups = grouped(np.array(sites.proteins)[sites.protein_N[index_N]])
    return Scores(
        split=split,
        value_N=score(index_N),
        label_N=sites.label_N[index_N] != 0,
        group_N=group_N,
        groups=groups,
        threshold=None,
        weights_digest=digest,
        data_digest=sites.digest,
        cluster_G=sites.clusters(index_N),
    )


def auprc(record: RunRecord) -> float:
    """Val AUPRC of a run."""
    return next(one.value for one in record.results if one.metric == "auprc")


def main() -> None:
    """Make all of them; a second call goes on with the search, and makes no run again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    sites, source = open_sites(asked.data), FolderSource(asked.runs)
    asked.runs.mkdir(exist_ok=True)
    tried = [one for one in source.records() if one.sweep == SWEEP]
    for settings in list(drawn(asked.trials))[len(tried) :]:
        tried.append(keep(asked.runs, sites, boosting(sites, settings, neighbours=False, sweep=SWEEP)))
        print(f"{len(tried)} of {asked.trials}: val AUPRC {auprc(tried[-1]):.3f} {settings}", flush=True)
    best = max(tried, key=auprc).config
    settings = {name: value for name, value in best.items() if name not in ("model", "inputs.neighbours")}
    replicates = [
        boosting(sites, settings | {"seed": seed}, neighbours=neighbours, sweep=None)
        for neighbours in (False, True)
        for seed in range(1, asked.seeds + 1)
    ]
    there = [(one.change, one.config) for one in source.records()]
    for baseline in (prevalence(sites), *replicates):
        if (baseline.change, baseline.config) in there:
            continue
        made = keep(asked.runs, sites, baseline)
        print(f"{made.id}: val AUPRC {auprc(made):.3f}", flush=True)


if __name__ == "__main__":
    main()
