"""A run from spec to record: what is written, and that every number belongs to the weights it names."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from kag import names
from kag.data.sites import Sites
from kag.errors import DataError, RunFailed, SpecError
from kag.spec import load_spec
from kag.track.folder import RunFolder
from kag.track.record import Status
from kag.track.scores_of_run import scores_in
from kag.view.words import find_run
from kag.weights.checkpoint import load_network, read_checkpoint
from kag.weights.evaluate_file import evaluate_file
from tests.delivered import delivered
from tests.test_names import constants as keys_written_once
from tests.track.made_scores import same_scores
from tests.train.conftest import MakeSpec, Train, Trained, placed


def test_a_run_leaves_a_complete_folder(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    spec = make_spec()
    record = train(spec)
    folder = find_run(runs, "tiny")
    assert folder.read_record() == record
    assert load_spec(folder.spec_file) == spec
    assert record.status is Status.FINISHED
    assert record.epochs_trained == 4
    rows = folder.history()
    assert [row[names.EPOCH] for row in rows] == [0, 1, 2, 3]
    assert record.best_epoch == max(rows, key=lambda row: row[names.OBJECTIVE])[names.EPOCH]
    assert "epoch   3" in folder.console_file.read_text()


def test_history_holds_every_key_of_the_design(make_spec: MakeSpec, trained: Trained) -> None:
    (row,) = trained(make_spec(epochs=1)).history()
    constants = set(keys_written_once().values())
    expected = constants | {names.evaluation("val", metric) for metric in names.METRICS}
    expected |= {names.entropy_layer(0), names.entropy_head(0), names.entropy_head(1)}
    assert set(row) == expected
    assert all(math.isfinite(value) for value in row.values())


def test_train_loss_is_the_sum_of_its_terms(make_spec: MakeSpec, trained: Trained) -> None:
    for row in trained(make_spec(epochs=2)).history():
        terms = (names.TRAIN_LOSS_MAIN, names.TRAIN_LOSS_PENALTY, names.TRAIN_LOSS_AUXILIARY)
        assert row[names.TRAIN_LOSS] == pytest.approx(sum(row[term] for term in terms), rel=1e-5)
        assert all(row[term] > 0 for term in terms)


def test_results_are_those_of_the_weights_they_name(make_spec: MakeSpec, trained: Trained) -> None:
    folder = trained(make_spec())
    record = folder.read_record()
    kept = record.checkpoints["delivered"]
    evaluated = evaluate_file(folder.path / kept.path, ["val", "test"])
    again = evaluated.results
    assert read_checkpoint(folder.path / kept.path).weights_digest == kept.weights_digest
    for result in again:
        stored = delivered(record, result.split, result.metric)
        assert (stored.value, stored.ci_low, stored.ci_high) == (result.value, result.ci_low, result.ci_high)
        assert stored.weights_digest == result.weights_digest == kept.weights_digest
    for scores in evaluated.scores:
        assert same_scores(scores_in(folder.path, scores.split), scores), "what is kept is what `kag eval` finds"
        told = {name: one.value for name, one in scores.draws.items()} | {"threshold": scores.threshold}
        rows = [row for row in record.results if row.delivered and row.split == scores.split]
        assert told == {row.metric: row.value for row in rows}
    best = max(folder.history(), key=lambda row: row[names.OBJECTIVE])
    assert delivered(record, "val").value == pytest.approx(best[names.OBJECTIVE], abs=1e-6)


def test_test_is_evaluated_once_for_the_delivered_weights(make_spec: MakeSpec, trained: Trained) -> None:
    record = trained(make_spec(**{"swa.start": 2, "swa.window": 2})).read_record()
    on_test = {result.weights_digest for result in record.results if result.split == "test"}
    assert on_test == {record.checkpoints["delivered"].weights_digest}
    assert all(result.delivered for result in record.results if result.split == "test")
    assert {result.weights for result in record.results if result.split == "val"} == {
        "raw",
        "raw_recomputed",
        "averaged",
        "averaged_recomputed",
    }


def test_best_weights_keep_the_schedule_of_their_epoch(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    """F11 of the forensics: best weights were tested at the last epoch's context scale."""
    record = train(make_spec(epochs=3, **{"model.gate.context_scale.epochs": 9}))
    network, weights = load_network(find_run(runs, "tiny").best)
    assert weights.epoch == record.best_epoch
    expected = make_spec(**{"model.gate.context_scale.epochs": 9}).model.gate.context_scale.at(weights.epoch or 0)
    assert float(network.context_scale) == pytest.approx(expected)


def test_equal_specs_give_equal_runs(make_spec: MakeSpec, train: Train, trained: Trained, runs: Path) -> None:
    one, second = trained(make_spec()), train(make_spec())
    first = one.read_record()
    assert first.results == second.results
    assert first.checkpoints == second.checkpoints
    rows = [folder.history() for folder in (one, RunFolder(runs / second.id))]
    for one, other in zip(*rows, strict=True):
        assert {k: v for k, v in one.items() if k != names.SAMPLES_PER_SECOND} == {
            k: v for k, v in other.items() if k != names.SAMPLES_PER_SECOND
        }


def test_the_next_run_is_compared_with_the_newest_good_one(
    make_spec: MakeSpec, train: Train, trained: Trained, runs: Path
) -> None:
    first = placed(trained(make_spec(epochs=1)), runs).read_record()
    second = train(make_spec(epochs=1, name="other", **{"optimizer.lr": 2e-3}))
    third = train(make_spec(epochs=1, **{"optimizer.lr": 3e-3}))
    assert first.parent is None
    assert second.parent == first.id
    assert third.parent == first.id


def test_a_trial_is_compared_with_what_was_before_the_sweep_and_nothing_with_a_trial(
    make_spec: MakeSpec, train: Train, trained: Trained, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = placed(trained(make_spec(epochs=1)), runs).read_record()
    monkeypatch.setenv("WANDB_SWEEP_ID", "5wee9")
    trials = [train(make_spec(epochs=1, **{"optimizer.lr": lr})) for lr in (2e-3, 3e-3)]
    monkeypatch.delenv("WANDB_SWEEP_ID")
    after = train(make_spec(epochs=1, **{"optimizer.lr": 4e-3}))
    assert [trial.sweep for trial in trials] == ["5wee9", "5wee9"]
    assert {run.parent for run in (*trials, after)} == {before.id}


def test_a_failing_run_is_recorded_as_aborted(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kag.model.gate import Gate

    def broken(*_: object) -> None:
        raise TypeError("zeros_like(): argument 'input' must be Tensor, not NoneType")

    monkeypatch.setattr(Gate, "used", broken)
    with pytest.raises(TypeError):
        train(make_spec())
    record = find_run(runs, "tiny").read_record()
    assert record.status is Status.ABORTED
    assert record.failure is not None
    assert record.failure.error == "TypeError"
    assert record.end is not None


def test_diverged_weights_end_the_run_by_name(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    with pytest.raises(RunFailed, match="NaN"):
        train(make_spec(**{"optimizer.schedule.max_lr": 1e18, "optimizer.lr": 1e18, "trainer.gradient_clip": 0}))
    assert find_run(runs, "tiny").read_record().status is Status.ABORTED


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"model.attention.heads": 3}, SpecError),
        ({"model.attention.width": 900_000}, SpecError),
        ({"swa.start": 3, "swa.window": 9}, SpecError),
        ({"data.file": "/nowhere.h5"}, DataError),
    ],
)
def test_nothing_is_written_for_a_user_s_mistake(
    make_spec: MakeSpec, train: Train, runs: Path, overrides: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        train(make_spec(**overrides))
    assert not runs.exists()


def test_early_stopping_ends_a_run_that_does_not_rise(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    spec = make_spec(epochs=9, **{"early_stopping.patience": 2, "early_stopping.min_delta": 1.0})
    record = train(spec)
    assert record.status is Status.EARLY_STOPPED
    assert record.epochs_trained == 3
    assert len(find_run(runs, "tiny").history()) == 3


def test_the_classifier_begins_at_the_prior_that_pos_weight_implies(make_spec: MakeSpec, sites: Sites) -> None:
    from kag.train.build import build_network
    from kag.train.task import Task

    prevalence = sites.prevalence("train")
    for weight in (1.0, 45.0):
        network = build_network(Task.of(make_spec(**{"loss.pos_weight": weight}), sites))
        prior = 1.0 / (1.0 + math.exp(-network.classifier.logit.bias.item()))
        assert prior == pytest.approx(weight * prevalence / (weight * prevalence + 1.0 - prevalence), rel=1e-5)
    auto = build_network(Task.of(make_spec(), sites))
    assert auto.classifier.logit.bias.item() == pytest.approx(0.0, abs=1e-6)
    assert np.isclose(prevalence, sites.label_N[sites.index("train")].mean())


def test_a_run_without_a_valid_neighbour_is_refused_before_its_folder(
    make_spec: MakeSpec, train: Train, runs: Path
) -> None:
    with pytest.raises(SpecError, match=r"no neighbour is within data.max_distance = 0.5 angstrom, the smallest"):
        train(make_spec(**{"data.max_distance": 0.5}))
    assert not runs.exists()


def test_what_is_odd_about_the_data_stands_in_the_record(
    make_spec: MakeSpec, train: Train, sites: Sites, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.h5"
    shutil.copy(sites.path, odd)
    with h5py.File(odd, "r+") as file:
        file["residue_embeddings"][:7] = 0.0
    record = train(make_spec(epochs=1, **{"data.file": str(odd)}))
    assert record.found is not None
    (found,) = (finding for finding in record.found.findings if finding.code == "embeddings_zero")
    assert found.evidence["zero"] == 7
