"""SIGTERM and SIGINT: the batch is finished, the run is recorded as killed, and a resume makes it whole."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from kag import names
from kag.errors import ENDING, Interrupted
from kag.spec import RunSpec, spec_text
from kag.track.folder import RunFolder
from kag.track.record import Status
from kag.train.job import Job
from kag.view.words import find_run
from tests import warm
from tests.e2e.tracking import until
from tests.epoch_lines import ends_epoch
from tests.train.conftest import MakeSpec, Train, Trained

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("kag_script.py")
MANY_BATCHES = {"epochs": 3, "data.batch_size": 12}
"""So long that a signal from outside arrives before the end."""


@pytest.fixture(scope="module")
def spec(make_spec: MakeSpec) -> RunSpec:
    return make_spec(epochs=3, **{"data.batch_size": 60})


@pytest.fixture
def whole(spec: RunSpec, trained: Trained) -> RunFolder:
    """The uninterrupted run."""
    return trained(spec)


def without_speed(folder: RunFolder) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND} for row in folder.history()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_from_outside(
    make_spec: MakeSpec, train: Train, trained: Trained, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    runs, spec = tmp_path / "runs", make_spec(**MANY_BATCHES)
    whole = trained(spec)
    (tmp_path / "spec.yaml").write_text(spec_text(spec))
    words = [sys.executable, SCRIPT, "train", "spec.yaml", "--runs", runs]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "out", "w") as out, open(tmp_path / "error", "w") as told:
        process = warm.start(words, cwd=tmp_path, env=env, output=out, errors=told)

    def ended() -> list[str]:
        return [line for line in (tmp_path / "out").read_text().splitlines(True) if ends_epoch(line)]

    first = until(ended, what="the first epoch")[0]
    process.send_signal(number)
    process.wait()
    rest, error = (tmp_path / "out").read_text(), (tmp_path / "error").read_text()
    assert process.returncode == code, error
    assert first.startswith("epoch   0")
    assert f"{number.name} received" in error
    assert "Traceback" not in error
    folder = find_run(runs, "tiny")
    record = folder.read_record()
    assert f"kag train --resume {record.id}" in rest
    assert record.status is Status.KILLED
    assert record.failure is not None
    assert (record.failure.error, record.failure.message) == ("Interrupted", f"{number.name} received")
    assert record.end is not None
    assert 1 <= record.epochs_trained == len(folder.history()) < spec.epochs
    resumed = train(spec, resume=folder)
    uninterrupted = whole.read_record()
    assert without_speed(folder) == without_speed(whole)
    assert (resumed.results, resumed.checkpoints) == (uninterrupted.results, uninterrupted.checkpoints)


def at_batch(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int, *numbers: signal.Signals) -> list[int]:
    """Send signals from inside a training step; the batches that are finished all the same."""
    step, finished = Job.training_step, []

    def signalled(self: Job, samples: Any, batch_idx: int) -> Any:
        loss = step(self, samples, batch_idx)
        if (self.current_epoch, batch_idx) == (epoch, batch):
            for number in numbers:
                signal.raise_signal(number)
        finished.append(batch_idx)
        return loss

    monkeypatch.setattr(Job, "training_step", signalled)
    return finished


@pytest.mark.parametrize(("number", "batch"), [(signal.SIGTERM, 0), (signal.SIGINT, 5), (signal.SIGTERM, -1)])
def test_the_batch_is_finished_and_the_resume_goes_on_behind_it(
    spec: RunSpec,
    train: Train,
    runs: Path,
    whole: RunFolder,
    sites: Any,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    batch: int,
) -> None:
    from kag.train.task import Task

    count = len(Task.of(spec, sites).training_batches(1))
    at = batch % count
    with monkeypatch.context() as patch:
        finished = at_batch(patch, 1, at, number)
        with pytest.raises(Interrupted, match=f"{number.name} received") as error:
            train(spec)
    assert error.value.exit_code == 128 + number
    assert finished == [*range(count), *range(at + 1)]
    folder = find_run(runs, "tiny")
    assert folder.read_record().status is Status.KILLED
    with monkeypatch.context() as patch:
        again = at_batch(patch, -1, 0)
        train(spec, resume=folder)
    assert again == [*range(at + 1, count), *range(count)], "the rest of epoch 1, then 2"
    assert without_speed(folder) == without_speed(whole)
    assert folder.read_record().checkpoints == whole.read_record().checkpoints


def test_a_window_of_accumulation_is_finished_and_the_short_last_one_stays_right(
    make_spec: MakeSpec, train: Train, tmp_path: Path, sites: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kag.train.task import Task

    size = -(-len(sites.index("train")) // 8)
    accumulated = make_spec(epochs=2, **{"data.batch_size": size, "trainer.accumulate": 3})
    assert len(Task.of(accumulated, sites).training_batches(1)) == 8
    uninterrupted = train(accumulated, runs=tmp_path / "whole")
    with monkeypatch.context() as patch:
        finished = at_batch(patch, 1, 4, signal.SIGTERM)
        with pytest.raises(Interrupted):
            train(accumulated, runs=tmp_path / "cut")
    assert finished == [*range(8), *range(6)]
    folder = find_run(tmp_path / "cut", "tiny")
    resumed = train(accumulated, resume=folder)
    assert without_speed(folder) == without_speed(find_run(tmp_path / "whole", "tiny"))
    assert (resumed.results, resumed.checkpoints) == (uninterrupted.results, uninterrupted.checkpoints)


def test_a_second_sigint_ends_at_once(
    spec: RunSpec, train: Train, runs: Path, whole: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        finished = at_batch(patch, 0, 3, signal.SIGINT, signal.SIGINT)
        with pytest.raises(Interrupted, match="SIGINT received again") as error:
            train(spec)
    assert error.value.exit_code == 130
    assert finished == [0, 1, 2], "the batch is not finished"
    folder = find_run(runs, "tiny")
    assert folder.read_record().status is Status.KILLED
    train(spec, resume=folder)
    assert without_speed(folder) == without_speed(whole)


def test_sigint_after_sigterm_ends_at_once(spec: RunSpec, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = at_batch(monkeypatch, 0, 3, signal.SIGTERM, signal.SIGINT)
    with pytest.raises(Interrupted, match="SIGINT received again"):
        train(spec)
    assert finished == [0, 1, 2]


def test_the_handlers_from_before_come_back(spec: RunSpec, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    at_batch(monkeypatch, 0, 0, signal.SIGTERM)
    with pytest.raises(Interrupted):
        train(spec)
    assert [signal.getsignal(number) for number in ENDING] == before
