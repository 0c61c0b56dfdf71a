from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from kag.data.batches import evaluation_batches
from kag.data.sites import Sites
from kag.data.tables import SiteTables
from kag.errors import UserError
from kag.model.network import Network
from kag.weights.evaluate import Predictions, score
from kag.weights.evaluate_file import write_predictions


def test_the_file_says_what_was_scored_by_which_weights_on_which_data(
    tmp_path: Path, network: Network, sites: Sites, tables: SiteTables
) -> None:
    batches = [*evaluation_batches(sites, "val", 100), *evaluation_batches(sites, "test", 100)]
    predictions = score(network, tables, batches)
    path = tmp_path / "predictions.h5"
    write_predictions(path, sites, predictions, weights_digest="w" * 64, threshold=0.25)
    with h5py.File(path) as file:
        assert file.attrs["weights_digest"] == "w" * 64
        assert file.attrs["data_digest"] == sites.digest
        assert file.attrs["threshold"] == 0.25
        row_N = file["row"][:]
        assert row_N.tolist() == predictions.index_N.tolist()
        assert [key.decode() for key in file["protein_keys"][:]] == [sites.proteins[p] for p in sites.protein_N[row_N]]
        assert file["residue_numbers"][:].tolist() == sites.residue_number_R[sites.centre_N[row_N]].tolist()
        assert file["split"][:].tolist() == [1] * 180 + [2] * 180
        assert file["labels"][:].tolist() == sites.label_N[row_N].tolist()
        assert file["logit"][:].tolist() == predictions.logit_N.tolist()
        np.testing.assert_allclose(np.log(file["probability"] / (1 - file["probability"][:])), file["logit"], atol=1e-4)
    assert list(tmp_path.iterdir()) == [path]


def test_extreme_logits_are_probabilities(tmp_path: Path, sites: Sites) -> None:
    predictions = Predictions(np.arange(2), np.array([-2000.0, 2000.0], dtype=np.float32))
    write_predictions(tmp_path / "p.h5", sites, predictions, weights_digest="w", threshold=None)
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["probability"][:].tolist() == [0.0, 1.0]
        assert "threshold" not in file.attrs


def test_a_missing_folder_is_one_clear_error(tmp_path: Path, sites: Sites) -> None:
    with pytest.raises(UserError, match=r"predictions\.h5"):
        write_predictions(
            tmp_path / "missing" / "predictions.h5",
            sites,
            Predictions(np.arange(1), np.zeros(1, dtype=np.float32)),
            weights_digest="w",
            threshold=None,
        )
