"""States are written beside training: of one moment, one at a time, and waited for by whoever counts on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import kag.train.recorder as recorder_module
from kag import names
from kag.errors import Interrupted, StorageError
from kag.spec import RunSpec
from kag.track.folder import RunFolder
from kag.track.record import Status
from kag.train.job import Job
from kag.train.recorder import EpochRecorder
from kag.train.state import position_in, resume_state
from kag.train.writer import StateWriter, host_copy
from kag.view.words import find_run
from kag.weights.checkpoint import read_checkpoint, snapshot
from kag.weights.digest import weights_digest
from kag.weights.storage import load_torch
from tests.train.conftest import MakeSpec, Train
from tests.train.test_resume import numbers, rows


class Kill(BaseException):
    """What ends a run here."""


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def writer(warned: list[str]) -> Iterator[StateWriter]:
    with StateWriter(warned.append) as writer:
        yield writer


def full() -> None:
    raise StorageError("cannot be written: no space left on device", where="last.ckpt")


def ends_with_another_error(writer: StateWriter) -> None:
    writer.start(full)
    raise Kill


def test_one_state_is_written_at_a_time_and_beside_the_caller(writer: StateWriter) -> None:
    may_end, order = threading.Event(), []

    def first() -> None:
        assert threading.current_thread() is not threading.main_thread()
        assert may_end.wait(60)
        order.append("first")

    writer.start(first)
    assert order == [], "the caller has gone on"
    may_end.set()
    writer.start(lambda: order.append("second"))
    assert order[0] == "first"
    writer.wait()
    assert order == ["first", "second"]


def test_what_cannot_be_written_is_raised_once_where_it_is_waited_for(writer: StateWriter) -> None:
    writer.start(full)
    with pytest.raises(StorageError, match="no space left"):
        writer.start(lambda: None)
    writer.wait()


def test_leaving_waits_and_raises_but_hides_no_other_error(warned: list[str]) -> None:
    with pytest.raises(StorageError, match="no space left"), StateWriter(warned.append) as writer:
        writer.start(full)
    assert warned == []
    with pytest.raises(Kill), StateWriter(warned.append) as writer:
        ends_with_another_error(writer)
    assert len(warned) == 1
    assert "no space left" in warned[0]


def test_a_copy_shares_no_tensor_and_keeps_what_torch_wrote_beside() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    state = {"state_dict": network.state_dict(), "loops": [{"done": 3}], "moments": ({"step": torch.ones(1)},)}
    copied = host_copy(state)
    assert copied["state_dict"]._metadata == state["state_dict"]._metadata
    assert (copied["loops"], type(copied["moments"])) == ([{"done": 3}], tuple)
    before = snapshot(network.state_dict())
    with torch.no_grad():
        for tensor in (*network.state_dict().values(), state["moments"][0]["step"]):
            tensor.add_(1)
    assert all(torch.equal(copied["state_dict"][name], value) for name, value in before.items())
    assert float(copied["moments"][0]["step"]) == 1.0


def test_the_state_is_that_of_the_epochs_end_however_late_it_is_written(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of epoch 0 reaches the disk only when training has changed the weights in epoch 1."""
    trained, ends, found = threading.Event(), {}, []
    save, step, close = recorder_module.save_torch, Job.on_validation_epoch_start, Job.close_epoch

    def late(path: Path, value: Any) -> None:
        if not found:
            assert trained.wait(60)
            found.append((value["weights_digest"], weights_digest(value["network"])))
        save(path, value)

    def validating(self: Job) -> None:
        if self.current_epoch == 1:
            assert weights_digest(snapshot(self.network.state_dict())) != ends[0]
            trained.set()
        step(self)

    def closing(self: Job) -> dict[str, float]:
        ends[self.current_epoch] = weights_digest(snapshot(self.network.state_dict()))
        return close(self)

    monkeypatch.setattr(recorder_module, "save_torch", late)
    monkeypatch.setattr(Job, "on_validation_epoch_start", validating)
    monkeypatch.setattr(Job, "close_epoch", closing)
    train(make_spec(epochs=2))
    assert found == [(ends[0], ends[0])]
    assert read_checkpoint(find_run(runs, "tiny").last).weights_digest == ends[1]


def test_a_state_that_cannot_be_written_fails_the_run_by_its_cause(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(recorder_module, "save_torch", lambda path, value: full())
        with pytest.raises(StorageError, match="no space left"):
            train(make_spec(epochs=2))
    folder = find_run(runs, "tiny")
    record = folder.read_record()
    assert (record.status, record.epochs_trained) == (Status.ABORTED, 0), "no epoch counts without its state"
    assert record.failure is not None
    assert "no space left" in record.failure.message
    assert resume_state(folder) is None
    assert train(make_spec(epochs=2), resume=folder).status is Status.FINISHED


def states_of(monkeypatch: pytest.MonkeyPatch, ends_after: int | None = None) -> list[int]:
    """After how many epochs a state is written; the run dies when that many have ended."""
    written: list[int] = []
    save, end = EpochRecorder._save_state, EpochRecorder.on_train_epoch_end

    def saving(self: EpochRecorder, trainer: Any) -> None:
        written.append(trainer.current_epoch + 1)
        save(self, trainer)

    def ending(self: EpochRecorder, trainer: Any, module: Any) -> None:
        end(self, trainer, module)
        if trainer.current_epoch + 1 == ends_after:
            raise Kill

    monkeypatch.setattr(EpochRecorder, "_save_state", saving)
    monkeypatch.setattr(EpochRecorder, "on_train_epoch_end", ending)
    return written


@pytest.fixture(scope="module")
def spec(make_spec: MakeSpec) -> RunSpec:
    """A run whose best epochs, and the window of averaging, are no multiples of two."""
    window = {"swa.start": 3, "swa.window": 2, "swa.keep_sums": True}
    return make_spec(epochs=5, **{"trainer.checkpoint_every": 2, **window})


@pytest.fixture(scope="module")
def whole(spec: RunSpec, make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Any]:
    """The same run with a state after each epoch."""
    from kag.train.console import RunConsole
    from kag.train.fit import fit

    runs = tmp_path_factory.mktemp("whole")
    each = spec.model_copy(update={"trainer": spec.trainer.model_copy(update={"checkpoint_every": 1})})
    record = fit(each, runs=runs, console=RunConsole(quiet=True))
    return RunFolder(runs / record.id), record


@pytest.mark.parametrize("killed_after", [1, 3])
def test_a_run_with_fewer_states_is_the_same_run_wherever_it_is_killed(
    spec: RunSpec, whole: tuple[RunFolder, Any], train: Train, runs: Path, killed_after: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        written = states_of(patch, killed_after)
        with pytest.raises(Kill):
            train(spec)
    stored = killed_after // 2 * 2
    folder = find_run(runs, "tiny")
    assert written == list(range(2, stored + 1, 2))
    assert position_in(resume_state(folder)).epoch == stored
    assert folder.best.is_file() == (stored > 0), "the best weights on the disk are those that the state knows"
    assert folder.read_record().epochs_trained == stored
    if stored:
        best = max(folder.history()[:stored], key=lambda row: row[names.OBJECTIVE])
        assert read_checkpoint(folder.best).epoch == int(best[names.EPOCH])
    with pytest.MonkeyPatch.context() as patch:
        written = states_of(patch)
        resumed = train(spec, resume=folder)
    assert written == [*range(stored + 2, 5, 2), 5], "the last state is written in any case"
    assert rows(folder) == rows(whole[0])
    assert numbers(resumed) == numbers(whole[1])
    kept = {epoch: read_checkpoint(path).weights_digest for epoch, path in folder.snapshots().items()}
    assert kept == {epoch: read_checkpoint(path).weights_digest for epoch, path in whole[0].snapshots().items()}


def test_a_signal_between_two_states_loses_nothing(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    start = Job.on_validation_epoch_start

    def signalled(self: Job) -> None:
        if self.current_epoch == 1:
            signal.raise_signal(signal.SIGTERM)
        start(self)

    monkeypatch.setattr(Job, "on_validation_epoch_start", signalled)
    with pytest.raises(Interrupted):
        train(make_spec(**{"trainer.checkpoint_every": 3}))
    folder = find_run(runs, "tiny")
    assert position_in(resume_state(folder)).epoch == folder.read_record().epochs_trained == 2
    assert read_checkpoint(folder.best).epoch == folder.read_record().best_epoch


def test_a_state_holds_the_weights_once(whole: tuple[RunFolder, Any]) -> None:
    content = load_torch(whole[0].last)
    states = content["state_dict"]
    for name, value in content["network"].items():
        assert states[f"network.{name}"].data_ptr() == value.data_ptr()
