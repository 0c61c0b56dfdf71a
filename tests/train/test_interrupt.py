"""A signal in the middle of an epoch: the batch is finished, the state saved, and the resumed run is the same run."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from kag.errors import Interrupted
from kag.track.record import Status
from kag.train.job import Job
from kag.train.signals import SignalWatch
from kag.view.words import find_run
from tests.train.conftest import MakeSpec, Train, Trained
from tests.train.test_resume import numbers, rows


@pytest.mark.parametrize(
    ("epoch", "batch", "settings"),
    [
        (0, 0, {}),
        (2, 0, {}),
        (3, 0, {}),
        (1, 1, {"data.batch_size": 128, "trainer.accumulate": 2}),
        (3, 1, {"data.batch_size": 128, "swa.start": 2, "swa.window": 2}),
        (2, 1, {"data.batch_size": 128, "data.grouping": "residue", "data.points_per_residue": 1}),
    ],
)
def test_interrupted_inside_an_epoch(
    make_spec: MakeSpec, train: Train, trained: Trained, runs: Path, epoch: int, batch: int, settings: dict[str, Any]
) -> None:
    spec = make_spec(**settings)
    whole = trained(spec)
    step, seen = Job.training_step, []

    def signalled(self: Job, batch_: Any, batch_idx: int) -> Any:
        if (self.current_epoch, batch_idx) == (epoch, batch):
            signal.raise_signal(signal.SIGTERM)
        seen.append((self.current_epoch, batch_idx))
        return step(self, batch_, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "training_step", signalled)
        with pytest.raises(Interrupted) as left:
            train(spec)
    assert left.value.exit_code == 128 + signal.SIGTERM
    folder = find_run(runs, "tiny")
    assert folder.read_record().status is Status.KILLED
    assert seen[-1] == (epoch, batch), "it leaves at the end of the batch"
    seen.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Job, "training_step", lambda self, b, i: (seen.append((self.current_epoch, i)), step(self, b, i))[1]
        )
        resumed = train(spec, resume=folder)
    assert seen[0] == (epoch, batch + 1), "no batch is trained twice"
    assert rows(folder) == rows(whole)
    assert numbers(resumed) == numbers(whole.read_record())
    assert not (folder.interrupted).exists()


def test_a_signal_in_validation_waits_for_the_end_of_the_epoch(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signalled(self: Job) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Job, "on_validation_epoch_start", signalled)
    with pytest.raises(Interrupted) as left:
        train(make_spec())
    assert left.value.exit_code == 130
    folder = find_run(runs, "tiny")
    assert len(folder.history()) == 1
    assert folder.read_record().epochs_trained == 1


def test_handlers_come_back(make_spec: MakeSpec, train: Train) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    train(make_spec(epochs=1))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert not isinstance(before[0], SignalWatch)
