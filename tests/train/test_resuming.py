"""A resume locks, looks, and only then writes; what a refused one leaves is what it found."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from kag.errors import CheckpointError, Interrupted, RecordError, RehearsalFailed, SpecError
from kag.spec import load_spec
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.past import attempts
from kag.track.record import RunRecord, Status
from kag.train import job as job_module
from kag.train.console import RunConsole
from kag.train.job import Job
from kag.train.state import position_in, resume_state
from kag.view.words import find_run
from kag.weights.storage import load_torch
from tests.train.conftest import MakeSpec, Train, Trained, placed
from tests.train.test_resume import Kill, numbers, rows

WINDOW = {"swa.start": 2, "swa.window": 2}


def content(folder: RunFolder) -> dict[str, bytes]:
    """Every file of a run, but what it printed."""
    files = (path for path in folder.path.rglob("*") if path.is_file())
    kept = {str(path.relative_to(folder.path)): path.read_bytes() for path in files}
    return {name: data for name, data in kept.items() if name not in ("console.log", ".lock")}


@pytest.fixture
def finished(make_spec: MakeSpec, trained: Trained) -> RunFolder:
    """A run of four epochs that has delivered the average of its last two."""
    return trained(make_spec(**WINDOW))


@pytest.fixture
def ended(finished: RunFolder, runs: Path) -> RunFolder:
    """A copy of it that a test may change."""
    return placed(finished, runs)


@pytest.mark.parametrize(
    ("settings", "accept", "kind", "words"),
    [
        ({"swa.start": 0, "swa.window": 4}, ["swa"], SpecError, "would hold 0 to 3"),
        ({"swa.start": 3, "swa.window": 2, "epochs": 5}, ["swa", "epochs"], SpecError, "would hold 3 to 3"),
        ({"swa.start": 2, "swa.window": 3, "epochs": 5}, ["swa"], SpecError, "differs from that of run"),
        ({"epochs": 3}, ["epochs", "swa"], SpecError, "4 epochs are trained, the spec ends after 3"),
        (
            {"epochs": 5, "model.hidden": [16, 9]},
            ["epochs", "model", "swa"],
            CheckpointError,
            "only in the|in the first",
        ),
        ({**WINDOW}, [], RecordError, "nothing to resume"),
    ],
)
def test_a_resume_that_cannot_be_changes_nothing(
    make_spec: MakeSpec,
    train: Train,
    ended: RunFolder,
    settings: dict[str, Any],
    accept: list[str],
    kind: type[Exception],
    words: str,
) -> None:
    before = content(ended)
    with pytest.raises(kind, match=words):
        train(make_spec(**settings), resume=ended, accept=accept)
    assert content(ended) == before


@pytest.mark.parametrize("settings", [{"swa.start": 4, "swa.window": 2, "epochs": 6}, {"epochs": 5}])
def test_a_window_that_is_still_to_come_may_change(
    make_spec: MakeSpec, train: Train, ended: RunFolder, settings: dict[str, Any]
) -> None:
    record = train(make_spec(**settings), resume=ended, accept=["swa", "epochs"])
    assert record.status is Status.FINISHED
    assert record.found is not None
    assert record.found.averaged_epochs == ((4, 5) if "swa.start" in settings else None)


def test_a_window_may_begin_with_the_epoch_that_a_signal_cut_in_two(
    make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, small = Job.training_step, {"data.batch_size": 128}

    def signalled(self: Job, batch: Any, batch_idx: int) -> Any:
        if (self.current_epoch, batch_idx) == (2, 1):
            signal.raise_signal(signal.SIGUSR2)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "training_step", signalled)
        with pytest.raises(Interrupted):
            train(make_spec(**small))
    folder = find_run(runs, "tiny")
    assert position_in(resume_state(folder)) == (2, 2)
    record = train(make_spec(**small, **WINDOW), resume=folder, accept=["swa"])
    assert record.found is not None
    assert (record.status, record.found.averaged_epochs) == (Status.FINISHED, (2, 3))


def test_a_run_whose_state_is_gone_does_not_begin_anew(make_spec: MakeSpec, train: Train, ended: RunFolder) -> None:
    ended.last.unlink()
    before = content(ended)
    with pytest.raises(RecordError, match="has trained 4 epochs, the state that is here 0"):
        train(make_spec(epochs=6), resume=ended, accept=["epochs", "swa"])
    assert content(ended) == before


def test_a_state_whose_optimizer_is_damaged_is_refused_before_anything_is_written(
    make_spec: MakeSpec, train: Train, ended: RunFolder
) -> None:
    state = load_torch(ended.last)
    moment = state["optimizer_states"][0]["state"][0]["exp_avg"].numpy().tobytes()
    whole = bytearray(ended.last.read_bytes())
    whole[whole.index(moment) + len(moment) // 2] ^= 1
    ended.last.write_bytes(whole)
    before = content(ended)
    with pytest.raises(CheckpointError, match=r"last\.ckpt: damaged: the checksum of .* is wrong"):
        train(make_spec(epochs=6), resume=ended, accept=["epochs", "swa"])
    assert content(ended) == before
    start = {"run": ended.id, "checkpoint": "last", "keep": "everything"}
    with pytest.raises(CheckpointError, match="damaged"):
        train(make_spec(name="child", epochs=6, start_from=start))
    record = train(make_spec(name="child", epochs=1, start_from=start | {"keep": "weights"}))
    assert record.status is Status.FINISHED, "the weights are whole"


def test_a_resume_beside_a_live_run_changes_nothing(make_spec: MakeSpec, train: Train, ended: RunFolder) -> None:
    before = content(ended)
    with locked(ended), pytest.raises(RecordError, match="another process"):
        train(make_spec(epochs=6, **WINDOW), resume=ended, accept=["epochs"])
    assert content(ended) == before


def test_a_rehearsal_that_fails_changes_nothing(
    make_spec: MakeSpec, train: Train, ended: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RehearsalFailed("a gradient is zero")

    monkeypatch.setattr(job_module, "rehearse", refuse)
    before = content(ended)
    with pytest.raises(RehearsalFailed):
        train(make_spec(epochs=6), resume=ended, accept=["epochs", "swa"])
    assert content(ended) == before


@pytest.mark.parametrize("error", [Interrupted("SIGTERM received", signal_number=15), OSError(28, "no space left")])
def test_results_stay_until_there_are_new_ones(
    make_spec: MakeSpec, train: Train, ended: RunFolder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    whole, spec = ended.read_record(), make_spec(epochs=6)
    results = whole.results
    begin = Job.on_train_epoch_start

    def failing(self: Job) -> None:
        if self.current_epoch == 5:
            raise error
        begin(self)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "on_train_epoch_start", failing)
        with pytest.raises((Interrupted, OSError)):
            train(spec, resume=ended, accept=["epochs", "swa"])
    left = ended.read_record()
    assert left.status in (Status.KILLED, Status.ABORTED)
    assert (left.results, left.epochs_trained) == (results, 5)
    record = train(load_spec(ended.spec_file), resume=ended)
    assert (record.status, record.epochs_trained) == (Status.FINISHED, 6)
    assert record.results != results
    assert {result.epoch for result in record.results} <= set(range(6))
    assert [attempt.record for attempt in attempts(record)] == [whole, left, record], "each end is on record"


def test_a_resume_that_dies_between_spec_and_record_goes_on_as_accepted(
    make_spec: MakeSpec, train: Train, ended: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(self: RunFolder, record: RunRecord) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_record", dying)
        with pytest.raises(Kill):
            train(make_spec(epochs=5), resume=ended, accept=["epochs", "swa"])
    assert ended.read_record().status is Status.FINISHED
    record = train(load_spec(ended.spec_file), resume=ended)
    assert record.epochs_trained == 5
    assert [change.key for change in record.resumes[-1].changes] == ["epochs", "swa"]


def test_a_run_that_died_before_its_first_state_begins_with_the_weights_that_it_was_given(
    make_spec: MakeSpec, train: Train, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(name="child", epochs=2, **{"start_from.run": str(finished.path)})
    whole = train(spec, runs=tmp_path / "whole")

    def dying(*_: Any) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(Job, "on_train_epoch_start", dying)
        with pytest.raises(Kill):
            train(spec)
    folder = find_run(tmp_path / "runs", "child")
    resumed = train(spec, resume=folder)
    assert rows(folder) == rows(RunFolder(tmp_path / "whole" / whole.id))
    assert numbers(resumed) == numbers(whole)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"epochs": 4}, "the spec ends after 4"), ({"epochs": 6, "swa.start": 0, "swa.window": 6}, "would hold 0 to 3")],
)
def test_a_state_of_another_run_has_no_past_but_its_own(
    make_spec: MakeSpec, train: Train, finished: RunFolder, runs: Path, settings: dict[str, Any], words: str
) -> None:
    start = {"start_from.run": str(finished.path), "start_from.checkpoint": "last", "start_from.keep": "everything"}
    with pytest.raises(SpecError, match=words):
        train(make_spec(**start, **settings))
    assert not runs.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Interrupted("SIGTERM received", signal_number=15), True),
        (RuntimeError("CUDA error"), True),
        (RehearsalFailed("a gradient is zero"), False),
    ],
)
def test_a_resume_is_offered_where_it_can_end_otherwise(
    make_spec: MakeSpec, train: Train, capsys: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, said: bool
) -> None:
    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Job, "rehearse", failing)
    with pytest.raises(type(error)):
        train(make_spec(), console=RunConsole())
    assert ("continues it" in capsys.readouterr().out) is said
