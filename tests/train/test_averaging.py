"""The averaging window: exactly the epochs that it names, by every road."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kag import names
from kag.data.sites import Sites
from kag.errors import SpecError
from kag.spec.schedule import learning_rate
from kag.track.folder import RunFolder
from kag.track.record import Status, told
from kag.track.result import AVERAGED_STATISTICS
from kag.train.job import Job
from kag.train.recorder import EpochRecorder
from kag.train.scoreboard import Scoreboard
from kag.view.words import find_run
from kag.weights.bench import Bench
from kag.weights.checkpoint import read_checkpoint, snapshot
from tests.train.conftest import MakeSpec, Train, Trained

State = dict[str, torch.Tensor]


@pytest.fixture
def epoch_weights(monkeypatch: pytest.MonkeyPatch) -> dict[int, State]:
    """The network's state at the end of each epoch of a run."""
    kept: dict[int, State] = {}
    write = EpochRecorder._save_state

    def keeping(self: EpochRecorder, trainer: Any) -> None:
        job = trainer.lightning_module
        assert isinstance(job, Job)
        kept[trainer.current_epoch] = snapshot(job.network.state_dict())
        write(self, trainer)

    monkeypatch.setattr(EpochRecorder, "_save_state", keeping)
    return kept


def largest_difference(folder: RunFolder, kept: dict[int, State], epochs: list[int]) -> float:
    averaged = read_checkpoint(folder.checkpoints / "averaged.ckpt").network
    means = {
        name: torch.stack([kept[epoch][name].double() for epoch in epochs]).mean(0)
        for name in averaged
        if not _is_buffer(name)
    }
    return max(float((averaged[name].double() - mean).abs().max()) for name, mean in means.items())


def _is_buffer(name: str) -> bool:
    words = ("running_mean", "running_var", "num_batches", "mean_F", "std_F", "context_scale", "dropout_rate")
    return any(word in name for word in words)


def test_the_average_is_the_mean_of_its_epochs(
    make_spec: MakeSpec, train: Train, runs: Path, epoch_weights: dict[int, State]
) -> None:
    record = train(make_spec(epochs=8, **{"swa.start": 4, "swa.window": 2, "model.gate.clamp": None}))
    folder = find_run(runs, "tiny")
    assert largest_difference(folder, epoch_weights, [4, 5]) <= 1e-7
    averaged = read_checkpoint(folder.checkpoints / "averaged.ckpt").network
    statistics = [name for name in averaged if "running_" in name]
    assert statistics
    assert all(torch.equal(averaged[name], epoch_weights[5][name]) for name in statistics), AVERAGED_STATISTICS
    assert record.epochs_trained == 6, "the run ends with the window"
    assert record.found.averaged_epochs == (4, 5)
    history = folder.history()
    assert [row[names.SWA_ACTIVE] for row in history] == [0, 0, 0, 0, 1, 1]
    assert [row[names.SWA_AVERAGED_EPOCHS] for row in history] == [0, 0, 0, 0, 1, 2]


@pytest.fixture
def plain(make_spec: MakeSpec, trained: Trained) -> RunFolder:
    """A run that has averaged its last two epochs of four."""
    return trained(make_spec(**{"swa.start": 2, "swa.window": 2}))


def test_both_weights_are_validated_inside_the_window(plain: RunFolder) -> None:
    record, history, key = plain.read_record(), plain.history(), names.averaged(names.OBJECTIVE)
    assert [key in row for row in history] == [False, False, True, True]
    assert history[2][key] == pytest.approx(history[2][names.OBJECTIVE]), "one epoch is its own average"
    averaged = [r for r in record.results if (r.weights, r.split, r.metric) == ("averaged", "val", "auprc")]
    assert averaged[0].value == pytest.approx(history[3][key], abs=1e-6)
    assert record.found is not None
    assert record.found.averaged_statistics == "raw"
    console = plain.console_file.read_text()
    assert console.count(f"the average is measured with {AVERAGED_STATISTICS}") == 1


def test_the_best_of_the_candidates_on_val_is_delivered(plain: RunFolder) -> None:
    record = plain.read_record()
    on_val = {r.weights: r for r in record.results if (r.split, r.metric) == ("val", "auprc")}
    delivered = [r for r in on_val.values() if r.delivered]
    assert len(delivered) == 1
    assert delivered[0].value == max(r.value for r in on_val.values())
    assert record.checkpoints["delivered"].weights_digest == delivered[0].weights_digest


def test_early_stop_before_the_window_says_so(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    """R13 of October: stopped at epoch 17, averaging planned from 20, and nobody was told."""
    stopping = {"early_stopping.patience": 1, "early_stopping.min_delta": 1.0}
    record = train(make_spec(epochs=8, **{"swa.start": 5, "swa.window": 2, **stopping}))
    assert record.status is Status.EARLY_STOPPED
    assert record.found.averaged_epochs == ()
    assert told(record.found)["averaged_epochs"] == [], "and it is shown"
    assert "SWA never started" in find_run(runs, "tiny").console_file.read_text()
    assert [finding.code for finding in record.preflight].count("swa_unreachable") == 1
    assert not (find_run(runs, "tiny").checkpoints / "averaged.ckpt").exists()


def test_early_stop_inside_the_window_keeps_what_was_averaged(
    make_spec: MakeSpec, train: Train, runs: Path, epoch_weights: dict[int, State]
) -> None:
    stopping = {"early_stopping.patience": 2, "early_stopping.min_delta": 1.0}
    record = train(make_spec(epochs=8, **{"swa.start": 2, "swa.window": 4, **stopping}))
    assert record.status is Status.EARLY_STOPPED
    assert record.epochs_trained == 5, "the first epoch of the window, and two that are no better"
    assert record.found.averaged_epochs == (2, 3, 4)
    assert largest_difference(find_run(runs, "tiny"), epoch_weights, [2, 3, 4]) <= 1e-7


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make val AUPRC what is given, one number a validation: raw, and inside the window then averaged."""
    close = Scoreboard.close

    def give(*auprcs: float) -> None:
        left = iter(auprcs)
        monkeypatch.setattr(
            Scoreboard, "close", lambda self, *given: close(self, *given) | {names.OBJECTIVE: next(left)}
        )

    return give


@pytest.mark.parametrize(
    ("window", "averaged", "status"),
    [
        ((0.1, 0.3, 0.1, 0.4, 0.1, 0.5, 0.1, 0.6), (2, 3, 4, 5), Status.FINISHED),
        ((0.7, 0.3, 0.8, 0.2, 0.9, 0.1), (2, 3, 4), Status.EARLY_STOPPED),
    ],
    ids=["the average rises, raw weights do not", "raw weights rise, the average does not"],
)
def test_inside_the_window_early_stopping_watches_the_average(
    make_spec: MakeSpec,
    train: Train,
    validated: Callable[..., None],
    window: tuple[float, ...],
    averaged: tuple[int, ...],
    status: Status,
) -> None:
    validated(0.6, 0.5, *window)
    stopping = {"early_stopping.patience": 2, "early_stopping.min_delta": 0.0}
    record = train(make_spec(epochs=8, **{"swa.start": 2, "swa.window": 4, **stopping}))
    assert (record.found.averaged_epochs, record.status) == (averaged, status)


def test_a_window_past_the_end_is_refused(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    with pytest.raises(SpecError, match="would average epochs 4 to 5"):
        train(make_spec(**{"swa.start": 4, "swa.window": 2}))
    assert not runs.exists()


def test_the_learning_rate_anneals_inside_the_window(make_spec: MakeSpec, train: Train, runs: Path) -> None:
    spec = make_spec(**{"swa.start": 2, "swa.window": 2, "swa.lr": 1e-5, "swa.anneal_epochs": 1})
    train(spec)
    history = find_run(runs, "tiny").history()
    assert history[3][names.LR] == pytest.approx(1e-5)
    assert history[1][names.LR] > 1e-4
    assert learning_rate(spec, 2.0) == pytest.approx(learning_rate(make_spec(), 2.0))


def test_normalisation_is_recomputed_for_one_of_the_candidates(plain: RunFolder) -> None:
    averaged = read_checkpoint(plain.checkpoints / "averaged.ckpt").network
    recomputed = read_checkpoint(plain.checkpoints / "averaged_recomputed.ckpt").network
    statistics = [name for name in averaged if "running_" in name]
    assert any(not torch.equal(averaged[name], recomputed[name]) for name in statistics)
    assert all(torch.equal(averaged[name], recomputed[name]) for name in averaged if not _is_buffer(name))


def test_the_best_epoch_is_tried_with_recomputed_statistics_too(plain: RunFolder, sites: Sites) -> None:
    record, folder = plain.read_record(), plain.checkpoints
    raw, control = read_checkpoint(folder / "best.ckpt"), read_checkpoint(folder / "raw_recomputed.ckpt")
    expected = Bench.of(raw, sites).recomputed(raw.network)
    assert control.epoch == raw.epoch == record.best_epoch
    assert all(torch.equal(control.network[name], expected[name]) for name in expected)
    assert any(not torch.equal(control.network[name], raw.network[name]) for name in expected)


def test_without_batch_norm_there_is_nothing_to_recompute(make_spec: MakeSpec, train: Train) -> None:
    record = train(make_spec(**{"swa.start": 2, "swa.window": 2, "model.norm": "layer"}))
    assert {result.weights for result in record.results if result.split == "val"} == {"raw", "averaged"}
