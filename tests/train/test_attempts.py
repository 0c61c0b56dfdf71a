"""Another attempt goes on where the last one stopped, and comes to what an undisturbed run comes to."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kag import names
from kag.data.sites import Sites
from kag.errors import Interrupted
from kag.spec import RunSpec
from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import RunRecord, Status
from kag.train.attempts import deepest, same_run, stopped
from kag.train.console import RunConsole
from kag.train.job import Job
from kag.train.opening import planned
from kag.train.task import Task
from kag.view.earlier import earlier
from kag.weights.storage import load_torch
from tests.jobs import SLURM_STEP, TORCHRUN
from tests.train.conftest import MakeSpec, Train, Trained, placed
from tests.train.test_processes import set_all

AGAIN = {"SLURM_RESTART_COUNT": "1"}
SWEEP = {"WANDB_SWEEP_ID": "s1"}


@pytest.fixture
def spec(make_spec: MakeSpec) -> RunSpec:
    return make_spec(swa={"start": 2, "window": 2, "keep_sums": True})


@pytest.fixture
def undisturbed(spec: RunSpec, trained: Trained) -> RunFolder:
    return trained(spec)


def numbers(folder: RunFolder) -> Any:
    """All that a run has computed on val: a trial looks at no test set."""
    rows = [{key: row[key] for key in row if key != names.SAMPLES_PER_SECOND} for row in folder.history()]
    weights = {key: value.tolist() for key, value in load_torch(folder.last)["state_dict"].items()}
    record = folder.read_record()
    digests = {name: one.weights_digest for name, one in record.checkpoints.items() if name != "best"}
    averaged = record.found.averaged_epochs if record.found else None
    val = [result for result in record.results if result.split == "val"]
    return record.status, digests, averaged, record.best_epoch, rows, val, json.dumps(weights)


def cut_off(train: Train, spec: RunSpec, runs: Path, at: tuple[int, int], number: int = signal.SIGTERM) -> RunFolder:
    """The folder of a run that a signal ends at a batch of an epoch."""
    step = Job.training_step

    def signalled(self: Job, batch: Any, batch_idx: int) -> Any:
        if (self.current_epoch, batch_idx) == at:
            signal.raise_signal(number)
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "training_step", signalled)
        with pytest.raises(Interrupted):
            train(spec)
    return newest(runs)


def newest(runs: Path) -> RunFolder:
    return max(RunFolder.all(runs), key=lambda folder: folder.read_record().start)


def own_epochs(record: RunRecord) -> int:
    return record.epochs_done - record.epochs_inherited


def test_a_job_that_is_started_again_goes_on_in_the_same_run(
    spec: RunSpec, undisturbed: RunFolder, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, SLURM_STEP)
    first = cut_off(train, spec, runs, at=(2, 1))
    set_all(monkeypatch, SLURM_STEP | AGAIN)
    record = train(spec)
    assert [folder.id for folder in RunFolder.all(runs)] == [first.id] == [record.id]
    assert record.world is not None
    assert record.world.restarts == 1
    assert len(record.resumes) == 1
    assert numbers(first) == numbers(undisturbed)


ELASTIC = TORCHRUN | {"TORCHELASTIC_RESTART_COUNT": "1"}


@pytest.mark.parametrize(
    ("before", "changes", "now", "found"),
    [
        (SLURM_STEP, {}, SLURM_STEP | AGAIN, "same"),
        (SLURM_STEP, {}, SLURM_STEP, None),
        (SLURM_STEP, {}, SLURM_STEP | AGAIN | {"SLURM_JOB_ID": "4078"}, None),
        (SLURM_STEP, {"status": Status.FINISHED}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"tags": ("archived",)}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"name": "other"}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"data_digest": "other"}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"seed": 8}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"code": "other"}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"processes": 2}, SLURM_STEP | AGAIN, None),
        (SLURM_STEP, {"sweep": "s1"}, SLURM_STEP | AGAIN, None),
        (TORCHRUN, {}, ELASTIC, "same"),
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}, {}, ELASTIC | {"TORCHELASTIC_RUN_ID": "none"}, "same"),
        (TORCHRUN, {}, ELASTIC | {"TORCHELASTIC_RUN_ID": "other"}, None),
        (SWEEP, {"sweep": "s1", "wandb_id": "s1-0001"}, SWEEP | {"WANDB_RUN_ID": "s1-0001-2"}, "before"),
        (SWEEP, {"sweep": "s1", "wandb_id": "s1-0001"}, SWEEP | {"WANDB_RUN_ID": "s1-0001"}, "same"),
        (SWEEP, {"sweep": "s1"}, {"WANDB_SWEEP_ID": "s2"}, None),
        (SWEEP, {"sweep": "s1", "seed": 8}, SWEEP, None),
        (SWEEP, {"sweep": None}, SWEEP, None),
    ],
)
def test_which_run_is_another_attempt_at_the_same(
    before: dict[str, str],
    changes: dict[str, Any],
    now: dict[str, str],
    found: str | None,
    spec: RunSpec,
    sites: Sites,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, before)
    record = planned(Task.of(spec, sites), None).model_copy(update={"status": Status.KILLED})
    left = {key: value for key, value in changes.items() if key not in ("seed", "code", "processes")}
    if "seed" in changes:
        left["config"] = {**record.config, "seed": changes["seed"]}
    if record.found and "code" in changes:
        left["found"] = record.found.model_copy(update={"code_digest": changes["code"]})
    if record.world and "processes" in changes:
        left["world"] = record.world.model_copy(update={"processes": changes["processes"]})
    former = earlier(record.model_copy(update=left))
    set_all(monkeypatch, now)
    runs, same = stopped(Task.of(spec, sites), [former], None, now)
    assert runs == ([former.id] if found else [])
    assert not found or same is (found == "same")


def test_the_attempts_at_a_point_train_each_epoch_once_and_name_each_other(
    spec: RunSpec, undisturbed: RunFolder, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, SWEEP)
    first = cut_off(train, spec, runs, at=(1, 0))
    second = cut_off(train, spec, runs, at=(3, 0), number=signal.SIGUSR1)
    third = RunFolder(runs / train(spec).id)
    assert len({first.id, second.id, third.id}) == 3
    assert numbers(third) == numbers(undisturbed)
    record = third.read_record()
    assert [(one.run, one.checkpoint, one.epochs) for one in record.sources] == [
        (first.id, "interrupted.ckpt", 1),
        (second.id, "interrupted.ckpt", 2),
    ]
    assert all(source.weights_digest for source in record.sources)
    assert sum(own_epochs(folder.read_record()) for folder in (first, second, third)) <= 4 + 2
    assert sorted(third.snapshots()) == sorted(undisturbed.snapshots())
    for former, status in ((first, Status.KILLED), (second, Status.KILLED)):
        assert former.read_record().status is status, "what is taken over from stays as it is"
        assert former.last.is_file()


def test_an_attempt_that_only_hands_on_is_not_named(
    spec: RunSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, SWEEP)
    first = cut_off(train, spec, runs, at=(2, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "training_step", fail)
        with pytest.raises(ZeroDivisionError):
            train(spec)
    record = train(spec)
    assert [(source.run, source.epochs) for source in record.sources] == [(first.id, 2)]


def fail(*_: object) -> None:
    raise ZeroDivisionError


def test_what_lives_or_is_broken_is_not_taken_over(
    undisturbed: RunFolder, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = undisturbed.read_record().model_copy(update={"status": Status.KILLED})
    former, console = placed(undisturbed, runs), RunConsole()
    former.write_record(killed)
    assert deepest(runs, [former.id], console) == former
    former.write_record(killed.model_copy(update={"status": Status.RUNNING}))
    with locked(former):
        assert deepest(runs, [former.id], console) is None
    assert deepest(runs, [former.id], console) == former, "its process is gone"
    former.last.write_bytes(b"broken")
    assert deepest(runs, [former.id], console) is None
    assert f"nothing is taken over from run {former.id}" in " ".join(capsys.readouterr().out.split())


def test_a_trial_that_is_started_again_under_its_own_name_waits_for_the_former_process(
    undisturbed: RunFolder, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    former = placed(undisturbed, runs)
    former.write_record(former.read_record().model_copy(update={"status": Status.RUNNING}))
    with ExitStack() as held:
        held.enter_context(locked(former))
        monkeypatch.setattr("kag.train.attempts.time.sleep", lambda _: held.close())
        assert same_run(runs, [former.id], RunConsole()) == former
    said = " ".join(capsys.readouterr().out.split())
    assert "waits until the process is gone" in said
    assert f"goes on with run {former.id}" in said
    assert same_run(runs, [], RunConsole()) is None
