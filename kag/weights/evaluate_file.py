"""Evaluation of a checkpoint file on any splits, with the threshold that val chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch

from kag.data.batches import evaluation_batches
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.names import Split
from kag.track.record import Result
from kag.weights.checkpoint import StoredWeights, load_network
from kag.weights.evaluate import Predictions, measured, results, score
from kag.weights.predictions import write_predictions


def evaluate_file(
    path: Path,
    splits: Sequence[str],
    *,
    data: Path | None = None,
    out: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Result, ...]:
    """Score the weights of a file.

    Args:
        path: kag checkpoint.
        splits: what to report; val is scored in any case, for the threshold.
        data: HDF5 file; the default is the one that the weights' spec names.
        out: HDF5 file for the predictions of the splits.
        progress: called with the number of points scored so far.

    Raises:
        CheckpointError: the file is not a checkpoint, or does not fit the data.
        DataError: the data is at fault.
        RunFailed: the weights have diverged.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network, weights = load_network(path, device)
    sites = read_sites(data or Path(weights.spec.data.file))
    _require_fit(weights, sites, path)
    tables = SiteTables.from_sites(sites, weights.data.max_distance).to(device)
    wanted = list(dict.fromkeys(cast(Sequence[Split], splits)))
    scored: dict[Split, Predictions] = {}
    done = 0
    every: list[Split] = ["val", *wanted]
    for split in dict.fromkeys(every):
        after = partial(_report, progress, done)
        scored[split] = score(network, tables, evaluation_batches(sites, split), progress=after)
        done += len(scored[split].index_N)
    threshold = measured(scored["val"], sites, "val", samples=0).threshold
    if out is not None:
        parts = [scored[split] for split in wanted]
        merged = Predictions.merged(
            np.concatenate([part.index_N for part in parts]), np.concatenate([part.logit_N for part in parts])
        )
        write_predictions(out, sites, merged, weights_digest=weights.weights_digest, threshold=threshold)
    return tuple(
        row
        for split in wanted
        for row in results(
            measured(scored[split], sites, split, threshold=threshold),
            weights=None,
            weights_digest=weights.weights_digest,
            data_digest=sites.digest,
            epoch=weights.epoch,
            selected_on="given",
            delivered=False,
        )
    )


def _report(progress: Callable[[int], None] | None, before: int, scored: int) -> None:
    if progress is not None:
        progress(before + scored)


def _require_fit(weights: StoredWeights, sites: Sites, path: Path) -> None:
    facts = weights.data
    have = (sites.columns, sites.embedding, sites.neighbours)
    want = (facts.features, facts.embedding, facts.neighbours)
    if have != want:
        raise CheckpointError(
            f"made for {want[0]} tabular columns, embeddings of {want[1]}, {want[2]} neighbours; "
            f"the data has {have[0]}, {have[1]}, {have[2]}",
            where=str(path),
        )
