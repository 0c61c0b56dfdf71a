"""The end of a run: which weights it hands on, and what they are worth.

Candidates are the best raw epoch and, after an averaging window, the average as it is and with its normalisation
statistics recomputed. Val chooses; test is evaluated once, for the chosen weights alone, with val's threshold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from kag import names
from kag.data.batches import training_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.names import Kind
from kag.spec.run import RunSpec
from kag.stats.measure import Evaluation
from kag.track.folder import RunFolder
from kag.track.record import Checkpoint, Result
from kag.train.task import Task
from kag.weights.average import recompute_normalisation
from kag.weights.checkpoint import StoredWeights, build_network, read_checkpoint, save_weights, stored
from kag.weights.evaluate import evaluate, results


@dataclass(frozen=True)
class Delivery:
    """What a run hands on."""

    results: tuple[Result, ...]
    checkpoints: dict[str, Checkpoint]


def deliver(task: Task, folder: RunFolder, averaged: StoredWeights | None, device: torch.device) -> Delivery:
    """Evaluate every candidate on val, the best of them on test, and store them.

    Args:
        averaged: the averaged weights, or None if nothing was averaged.
        device: where to compute.
    """
    spec, sites, tables = task.spec, task.sites, task.tables.to(device)
    candidates = _candidates(spec, sites, tables, folder, averaged)
    on_val: dict[Kind, Evaluation] = {
        kind: evaluate(build_network(weights, device), sites, tables, "val") for kind, weights in candidates.items()
    }
    chosen = max(candidates, key=lambda kind: on_val[kind].auprc)
    on_test = evaluate(
        build_network(candidates[chosen], device), sites, tables, "test", threshold=on_val[chosen].threshold
    )
    rows: list[Result] = []
    checkpoints: dict[str, Checkpoint] = {}
    for kind, weights in candidates.items():
        rows += _results(kind, on_val[kind], weights, delivered=kind == chosen)
        checkpoints["best" if kind == "raw" else kind] = _save(
            folder, f"{'best' if kind == 'raw' else kind}.ckpt", weights
        )
    rows += _results(chosen, on_test, candidates[chosen], delivered=True)
    checkpoints["delivered"] = _save(folder, "delivered.ckpt", candidates[chosen])
    return Delivery(tuple(rows), checkpoints)


def _candidates(
    spec: RunSpec, sites: Sites, tables: SiteTables, folder: RunFolder, averaged: StoredWeights | None
) -> dict[Kind, StoredWeights]:
    candidates: dict[Kind, StoredWeights] = {
        # An inherited file names the spec of the run that trained it; here it stands for this run.
        "raw": replace(read_checkpoint(folder.best), spec=spec)
    }
    if averaged is not None:
        network = build_network(averaged, tables.residue_RD.device)
        batches = training_batches(sites, spec.data, seed=spec.seed, epoch=0)
        recompute_normalisation(network, tables, batches, share=spec.data.grouping == "protein")
        candidates["averaged"] = averaged
        candidates["averaged_recomputed"] = stored(spec, network.state_dict(), averaged.data, epoch=averaged.epoch)
    return candidates


def _results(kind: Kind, evaluation: Evaluation, weights: StoredWeights, *, delivered: bool) -> tuple[Result, ...]:
    return results(
        evaluation,
        weights=kind,
        weights_digest=weights.weights_digest,
        data_digest=weights.data.data_digest,
        epoch=weights.epoch,
        selected_on=names.OBJECTIVE,
        delivered=delivered,
    )


def _save(folder: RunFolder, name: str, weights: StoredWeights) -> Checkpoint:
    path = folder.checkpoints / name
    save_weights(path, weights)
    return Checkpoint(path=f"checkpoints/{name}", weights_digest=weights.weights_digest, epoch=weights.epoch)
