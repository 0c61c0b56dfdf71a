"""Evaluation of a checkpoint file on any splits, with the threshold that val chooses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kag.data.batches import evaluation_batches
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.names import Split
from kag.track.record import Result
from kag.weights.checkpoint import StoredWeights, load_network
from kag.weights.evaluate import Progress, measured, results, score
from kag.weights.given import fastest_device
from kag.weights.predictions import write_predictions


def evaluate_file(
    path: Path,
    splits: Sequence[Split],
    *,
    data: Path | None = None,
    out: Path | None = None,
    progress: Progress = lambda points: None,
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
    network, weights = load_network(path, fastest_device())
    sites = read_sites(data or Path(weights.spec.data.file))
    _require_fit(weights, sites, path)
    tables = SiteTables.from_sites(sites, weights.data.max_distance).to(fastest_device())
    wanted = list(dict.fromkeys(splits))
    batches = [batch for split in {"val": None, **dict.fromkeys(wanted)} for batch in evaluation_batches(sites, split)]
    predictions = score(network, tables, batches, progress=progress)
    threshold = measured(predictions, sites, "val", samples=0).threshold
    if out is not None:
        within = predictions.within(np.concatenate([sites.index(split) for split in wanted]))
        write_predictions(out, sites, within, weights_digest=weights.weights_digest, threshold=threshold)
    return tuple(
        row
        for split in wanted
        for row in results(
            measured(predictions, sites, split, threshold=threshold),
            weights_digest=weights.weights_digest,
            data_digest=sites.digest,
            epoch=weights.epoch,
        )
    )


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
