"""A sealed test split: a run that leaves it alone, a trial of a sweep, and what is written down of each look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kag.track.folder import RunFolder
from kag.weights import bench
from tests.train.conftest import MakeSpec, Train

NEVER = {"evaluate.test": "never"}


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The splits that were scored at the end of a run, in order."""
    found: list[str] = []
    batches = bench.evaluation_batches

    def noting(sites: Any, split: Any) -> Any:
        found.append(split)
        return batches(sites, split)

    monkeypatch.setattr(bench, "evaluation_batches", noting)
    return found


def test_a_run_looks_at_test_once_and_writes_it_down(
    make_spec: MakeSpec, train: Train, runs: Path, scored: list[str]
) -> None:
    record = train(make_spec(epochs=1))
    assert record.end is not None
    folder = RunFolder(runs / record.id)
    (look,) = record.looks
    tested = next(one for one in record.results if one.split == "test")
    assert (look.by, look.split, record.start < look.when <= record.end) == ("train", "test", True)
    assert (look.weights_digest, look.data_digest) == (tested.weights_digest, record.data_digest)
    assert folder.read_record() == record
    assert "looks" not in json.loads(folder.record_file.read_text()), "a look stands in one place"
    assert (scored, record.sealed) == (["val", "test"], False)


def test_a_sealed_run_never_scores_test_and_logs_nothing_of_it(
    make_spec: MakeSpec, train: Train, runs: Path, scored: list[str]
) -> None:
    record = train(make_spec(epochs=1, **NEVER))
    folder = RunFolder(runs / record.id)
    assert (scored, record.sealed, record.looks) == (["val"], True, ())
    assert {one.split for one in record.results} == {"val"}
    assert not folder.looks_file.exists()
    assert not any("test" in key for row in folder.history() for key in row)


def test_a_trial_leaves_test_alone_whatever_its_spec_says_and_its_winner_trained_again_does_not(
    make_spec: MakeSpec, train: Train, runs: Path, scored: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(epochs=1)
    monkeypatch.setenv("WANDB_SWEEP_ID", "5wee9")
    trial = train(spec)
    assert (spec.evaluate.test, trial.sealed, "test" in scored) == ("final", True, False)
    monkeypatch.delenv("WANDB_SWEEP_ID")
    alone = train(spec, again=RunFolder(runs / trial.id))
    assert (alone.sealed, scored.count("test"), len(alone.looks)) == (False, 1, 1)
    assert alone.again is not None
    assert alone.again.same, "that it is sealed changes no weight"
