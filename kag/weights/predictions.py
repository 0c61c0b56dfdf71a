"""Predictions as an HDF5 file: what was scored, by which weights, on which data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from kag.data.sites import Sites
from kag.errors import UserError
from kag.names import SPLITS
from kag.track.atomic import atomic_path
from kag.weights.evaluate import Predictions

FORMAT = "kag-predictions"
VERSION = 1


def write_predictions(
    path: Path, sites: Sites, predictions: Predictions, *, weights_digest: str, threshold: float | None
) -> None:
    """Write one row for each scored point, by `atomic_path`.

    Datasets: `row` (of the data file), `protein_keys`, `residue_numbers` (of the centre), `split` (0 train, 1 val,
    2 test), `labels`, `logit`, `probability`. Attributes: `format`, `version`, `weights_digest`, `data_digest`,
    `data_file`, and the logit `threshold` if one was chosen.

    Args:
        path: HDF5 file; an older one is replaced.
        sites: the data that was scored.
        predictions: of any splits.
        weights_digest: of the weights that scored.
        threshold: logit at and above which a point counts as positive.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            _fill(file, sites, predictions)
            attributes = {"weights_digest": weights_digest, "data_digest": sites.digest, "data_file": sites.path.name}
            file.attrs.update({"format": FORMAT, "version": VERSION, "splits": list(SPLITS), **attributes})
            if threshold is not None:
                file.attrs["threshold"] = threshold
    except OSError as error:
        raise UserError(f"cannot be written: {error}", where=str(path)) from error


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
