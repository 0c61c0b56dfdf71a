"""Evaluation of a checkpoint file on any splits, with the threshold that val chooses, and predictions as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from kag.data.batches import evaluation_batches
from kag.data.read import read_sites
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.names import SPLITS, Split
from kag.track.output import Kind, Output, output_path
from kag.track.record import Result
from kag.weights.checkpoint import StoredWeights, load_network
from kag.weights.evaluate import Predictions, Progress, measured, results, score
from kag.weights.given import fastest_device

FORMAT = "kag-predictions"
VERSION = 1


def _is_predictions(path: Path) -> bool:
    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return bool(file.attrs.get("format") == FORMAT)


PREDICTIONS = Kind("a file of predictions", _is_predictions)


def evaluate_file(
    path: Path,
    splits: Sequence[Split],
    *,
    data: Path | None = None,
    out: Output | None = None,
    progress: Progress = lambda points: None,
) -> tuple[Result, ...]:
    """Score the weights of a file.

    Args:
        splits: what to report; val is scored in any case, for the threshold.
        data: HDF5 file; the default is the one that the weights' spec names.
        out: HDF5 file for the predictions of the splits, of the kind `PREDICTIONS`.

    Raises:
        CheckpointError: the file is not a checkpoint, or does not fit the data.
        DataError: the data is at fault.
        RunFailed: the weights have diverged.
        UserError: `out` is not free, or cannot be written.
    """
    network, weights = load_network(path, fastest_device())
    data = data or Path(weights.spec.data.file)
    if out is not None:
        out.require_free(path, data)
    sites = read_sites(data)
    _require_fit(weights, sites, path)
    tables = SiteTables.from_sites(sites, weights.data.max_distance).to(fastest_device())
    wanted = list(dict.fromkeys(splits))
    batches = [batch for split in {"val": None, **dict.fromkeys(wanted)} for batch in evaluation_batches(sites, split)]
    predictions = score(network, tables, batches, progress=progress)
    threshold = measured(predictions, sites, "val", samples=0).threshold
    if out is not None:
        within = predictions.within(np.concatenate([sites.index(split) for split in wanted]))
        write_predictions(out.path, sites, within, weights_digest=weights.weights_digest, threshold=threshold)
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


def write_predictions(
    path: Path, sites: Sites, predictions: Predictions, *, weights_digest: str, threshold: float | None
) -> None:
    """Write one row for each scored point, by `output_path`.

    Datasets: `row` (of the data file), `protein_keys`, `residue_numbers` (of the centre), `split` (0 train, 1 val,
    2 test), `labels`, `logit`, `probability`. Attributes: `format`, `version`, `weights_digest`, `data_digest`,
    `data_file`, and the logit `threshold` if one was chosen.

    Raises:
        UserError: the file cannot be written.
    """
    with output_path(path) as temporary, h5py.File(temporary, "w") as file:
        _fill(file, sites, predictions)
        attributes = {"weights_digest": weights_digest, "data_digest": sites.digest, "data_file": sites.path.name}
        file.attrs.update({"format": FORMAT, "version": VERSION, "splits": list(SPLITS), **attributes})
        if threshold is not None:
            file.attrs["threshold"] = threshold


def _fill(file: h5py.File, sites: Sites, predictions: Predictions) -> None:
    index_N, logit_N = predictions.index_N, predictions.logit_N
    columns = {
        "row": index_N,
        "protein_keys": np.char.encode(np.array(sites.proteins), "utf-8")[sites.protein_N[index_N]],
        "residue_numbers": sites.residue_number_R[sites.centre_N[index_N]],
        "split": sites.split_N[index_N],
        "labels": sites.label_N[index_N],
        "logit": logit_N,
        "probability": np.exp(-np.logaddexp(0.0, -logit_N.astype(np.float64))).astype(np.float32),
    }
    for name, values in columns.items():
        file.create_dataset(name, data=values, compression="gzip", shuffle=True)
