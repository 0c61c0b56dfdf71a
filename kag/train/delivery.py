"""The end of a run: the weights that val may choose to hand on.

Candidates are the best raw epoch and, after an averaging window, the average, each as it is and with its normalisation
statistics recomputed: what recomputing gives is not taken for what averaging gives. A run without a window has one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from kag.names import Kind
from kag.track.folder import RunFolder
from kag.track.looks import looks_of
from kag.train.task import Task
from kag.weights.average import normalised_by_batch
from kag.weights.bench import Bench
from kag.weights.checkpoint import StoredWeights, read_checkpoint, stored
from kag.weights.choose import Delivery, choose
from kag.weights.given import fastest_device


def deliver(task: Task, folder: RunFolder, averaged: StoredWeights | None, *, sealed: bool) -> Delivery:
    """Evaluate every candidate on val, the best of them on test, and store them.

    Args:
        averaged: the averaged weights, or None if nothing was averaged.
        sealed: leave test alone.
    """
    # An inherited file names spec and data of the run that trained it; here it stands for this run.
    raw = replace(read_checkpoint(folder.best), spec=task.spec, data=task.facts)
    candidates: dict[Kind, StoredWeights] = {"raw": raw}
    bench = Bench.of(raw, task.sites, fastest_device(), task.tables, precision=task.precision)
    if averaged is not None:
        candidates["averaged"] = averaged
        if normalised_by_batch(bench.network):
            candidates["raw_recomputed"] = _recomputed(raw, bench)
            candidates["averaged_recomputed"] = _recomputed(averaged, bench)
    delivery = choose(candidates, bench, sealed=sealed)
    now, file = datetime.now(UTC), task.sites.path.name
    folder.append_looks(looks_of(delivery.results, by="train", when=now, file=file))
    delivery.save(folder)
    return delivery


def _recomputed(weights: StoredWeights, bench: Bench) -> StoredWeights:
    return stored(weights.spec, bench.recomputed(weights.network), weights.data, epoch=weights.epoch)
