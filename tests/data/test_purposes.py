"""Files that are for evaluation or prediction only: read for that, refused for training."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from malformed_files import edited, replace, value, without, write_small

from kag.data.read import read_sites
from kag.data.sites import Purpose
from kag.errors import DataError


def one_split(file: h5py.File) -> None:
    """Every protein is in test."""
    replace(file, "split", np.full(100, 2, np.int8))


def test_a_benchmark_of_one_split_is_for_evaluation(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.h5"
    edited(one_split)(path)
    sites = read_sites(path, Purpose.EVALUATION)
    assert (sites.purpose, sites.parts) == (Purpose.EVALUATION, ("test",))
    assert read_sites(path, None).digest == sites.digest
    with pytest.raises(DataError, match="the train split is empty") as caught:
        read_sites(path)
    assert "dataset `split`" in str(caught.value)
    assert "kag eval" in str(caught.value)


def test_a_benchmark_without_splits_is_one_set(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.h5"
    without("split")(path)
    sites = read_sites(path, Purpose.EVALUATION)
    assert sites.parts == ("all",)
    assert len(sites.index("all")) == 100
    with pytest.raises(DataError, match="dataset `split`: the dataset is missing"):
        read_sites(path)


def test_a_file_without_labels_is_for_prediction(tmp_path: Path) -> None:
    path = tmp_path / "unlabelled.h5"
    without("labels")(path)
    sites = read_sites(path, Purpose.PREDICTION)
    assert (sites.labelled, sites.purpose) == (False, Purpose.PREDICTION)
    assert read_sites(path, None).purpose is Purpose.PREDICTION
    for purpose in (Purpose.TRAINING, Purpose.EVALUATION):
        with pytest.raises(DataError, match="dataset `labels`: the dataset is missing") as caught:
            read_sites(path, purpose)
        assert "kag predict" in str(caught.value)


def test_labels_are_not_looked_at_for_prediction(tmp_path: Path) -> None:
    write_small(tmp_path / "sound.h5")
    assert not read_sites(tmp_path / "sound.h5", Purpose.PREDICTION).labelled
    assert read_sites(tmp_path / "sound.h5", Purpose.PREDICTION).digest == read_sites(tmp_path / "sound.h5").digest
    value("labels", 3, -1)(tmp_path / "placeholder.h5")
    assert read_sites(tmp_path / "placeholder.h5", Purpose.PREDICTION).points == 100
    with pytest.raises(DataError, match="the label is not 0 or 1"):
        read_sites(tmp_path / "placeholder.h5", Purpose.EVALUATION)


def test_one_class_cannot_be_evaluated(tmp_path: Path) -> None:
    def blank(file: h5py.File) -> None:
        del file["split"]
        replace(file, "labels", np.zeros(100, np.int32))

    edited(blank)(tmp_path / "blank.h5")
    with pytest.raises(DataError, match="every label of the file is 0"):
        read_sites(tmp_path / "blank.h5", Purpose.EVALUATION)


def test_what_the_file_says_of_its_embedding_is_read(tmp_path: Path) -> None:
    def say(file: h5py.File) -> None:
        file.attrs["esm_model"] = np.bytes_(b"esm2_t6_8M")
        file.attrs["esm_layer"] = 6

    edited(say)(tmp_path / "said.h5")
    assert read_sites(tmp_path / "said.h5").embedding_stated == (("esm_model", "esm2_t6_8M"), ("esm_layer", "6"))
