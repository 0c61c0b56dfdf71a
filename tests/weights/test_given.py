"""Weights as a person names them: a file in a run's folder holds what the run's record says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kag.data.facts import DataFacts
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.spec import RunSpec
from kag.text import digest
from kag.track.folder import RunFolder
from kag.track.record import Checkpoint, Status
from kag.weights.checkpoint import StoredWeights, save_weights, stored
from kag.weights.given import given_weights
from tests.changelog.run_logs import make_folder, run_record


@pytest.fixture
def weights(networks: Callable[[int], Network], spec: RunSpec, facts: DataFacts) -> Callable[[int], StoredWeights]:
    return lambda seed: stored(spec, networks(seed).state_dict(), facts, epoch=1)


def run_with(runs: Path, named: StoredWeights, held: StoredWeights, status: Status = Status.FINISHED) -> RunFolder:
    """A run whose record names weights, and whose file holds some."""
    said = Checkpoint(path="checkpoints/delivered.ckpt", weights_digest=named.weights_digest)
    folder = make_folder(runs, run_record(0, status=status, checkpoints={"delivered": said}))
    folder.checkpoints.mkdir(exist_ok=True)
    save_weights(folder.checkpoints / "delivered.ckpt", held)
    return folder


def test_the_weights_of_the_record_are_taken(tmp_path: Path, weights: Callable[[int], StoredWeights]) -> None:
    folder = run_with(tmp_path, weights(1), weights(1))
    assert given_weights(folder.id, tmp_path).weights.weights_digest == weights(1).weights_digest


def test_others_under_the_same_name_are_named(tmp_path: Path, weights: Callable[[int], StoredWeights]) -> None:
    folder = run_with(tmp_path, weights(1), weights(2))
    for word in (folder.id, str(folder.checkpoints / "delivered.ckpt")):
        with pytest.raises(CheckpointError) as told:
            given_weights(word, tmp_path)
        assert all(digest(weights(seed).weights_digest) in str(told.value) for seed in (1, 2))
        assert folder.id in str(told.value)


def test_a_run_under_way_may_be_ahead_of_its_record(tmp_path: Path, weights: Callable[[int], StoredWeights]) -> None:
    folder = run_with(tmp_path, weights(1), weights(2), Status.RUNNING)
    assert given_weights(folder.id, tmp_path).weights.weights_digest == weights(2).weights_digest


def test_a_file_outside_a_run_is_what_it_is(tmp_path: Path, weights: Callable[[int], StoredWeights]) -> None:
    save_weights(tmp_path / "mine.ckpt", weights(3))
    assert given_weights(str(tmp_path / "mine.ckpt"), tmp_path).run == "mine"
