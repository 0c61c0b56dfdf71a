"""Nothing from outside gets into a run: not from the job, the working directory or an installed package."""

from __future__ import annotations

import inspect
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, Trainer

from kag import names
from kag.data.sites import Sites
from kag.errors import Interrupted
from kag.spec import RunSpec
from kag.track.folder import RunFolder
from kag.track.record import Status
from kag.train.job import Job
from kag.train.signals import SignalWatch
from kag.train.task import Task
from kag.train.trainer import build_trainer
from kag.view.words import find_run
from kag.weights.storage import load_torch
from tests.jobs import SLURM_STEP, TORCHRUN
from tests.train.conftest import MakeSpec, Train, Trained

SECOND = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1"}
SECOND_TASK = SLURM_STEP | {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
LSF = {"LSB_JOBID": "9", "LSB_DJOB_RANKFILE": "/nowhere", "JSM_NAMESPACE_SIZE": "2", "JSM_NAMESPACE_RANK": "1"}
ARGUMENTS = {
    "PL_TRAINER_MAX_EPOCHS": "1",
    "PL_TRAINER_MAX_STEPS": "1",
    "PL_TRAINER_LIMIT_TRAIN_BATCHES": "1",
    "PL_TRAINER_LIMIT_VAL_BATCHES": "1",
    "PL_TRAINER_OVERFIT_BATCHES": "1",
    "PL_TRAINER_FAST_DEV_RUN": "True",
    "PL_TRAINER_DETERMINISTIC": "True",
    "PL_TRAINER_CHECK_VAL_EVERY_N_EPOCH": "2",
    "PL_TRAINER_PROFILER": "simple",
    "PL_GLOBAL_SEED": "11",
    "PL_SEED_WORKERS": "1",
}
JOBS = {
    "a step of SLURM": SLURM_STEP,
    "SLURM's second task": SECOND_TASK,
    "a script of SLURM": {key: value for key, value in SLURM_STEP.items() if "STEP" not in key},
    "an interactive job": SLURM_STEP | {"SLURM_JOB_NAME": "interactive"},
    "torchrun": TORCHRUN,
    "torchrun's second process": TORCHRUN | SECOND,
    "Kubeflow": SECOND | {"MASTER_PORT": "23456", "KUBERNETES_PORT": "tcp://10.0.0.1:443"},
    "LSF": LSF,
    "arguments of the trainer": ARGUMENTS,
}


@pytest.fixture(scope="module")
def spec(make_spec: MakeSpec) -> RunSpec:
    return make_spec(epochs=2)


@pytest.fixture
def alone(spec: RunSpec, trained: Trained) -> RunFolder:
    """The run where nothing is around it."""
    return trained(spec)


@pytest.fixture
def place(tmp_path: Path, alone: RunFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory in which Lightning finds a state of another run, and `srun` beside the programs."""
    place, programs = tmp_path / "place", tmp_path / "programs"
    place.mkdir()
    programs.mkdir()
    state = load_torch(alone.last)
    state["state_dict"] = {key: torch.zeros_like(value) for key, value in state["state_dict"].items()}
    torch.save(state | {"epoch": 0}, place / "hpc_ckpt_1.ckpt")
    (programs / "srun").write_text("#!/bin/sh\nexit 1\n")
    (programs / "srun").chmod(0o755)
    monkeypatch.chdir(place)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    yield place
    assert [path.name for path in place.iterdir()] == ["hpc_ckpt_1.ckpt"], "nothing is left outside the run's folder"


def computed(folder: RunFolder) -> tuple[object, ...]:
    """All that a run has computed."""
    record = folder.read_record()
    rows = [{key: row[key] for key in row if key != names.SAMPLES_PER_SECOND} for row in folder.history()]
    weights = {key: value.tolist() for key, value in load_torch(folder.last)["state_dict"].items()}
    return record.status, record.results, record.checkpoints, record.sources, rows, json.dumps(weights)


@pytest.mark.parametrize("job", JOBS)
def test_the_job_around_a_run_of_one_process_changes_nothing(
    job: str, spec: RunSpec, train: Train, place: Path, alone: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in JOBS[job].items():
        monkeypatch.setenv(name, value)
    read_at_import = next((JOBS[job][name] for name in ("RANK", "SLURM_PROCID", *LSF) if name in JOBS[job]), "0")
    monkeypatch.setattr(rank_zero_only, "rank", int(read_at_import))
    record = train(spec)
    assert record.status is Status.FINISHED
    assert record.world.processes == 1
    assert computed(RunFolder(place.parent / "runs" / record.id)) == computed(alone)
    assert rank_zero_only.rank == 0, "nobody believes to be another process"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM])
def test_what_a_scheduler_sends_before_the_end_saves_and_ends_a_run_and_writes_nothing_else(
    number: signal.Signals,
    spec: RunSpec,
    train: Train,
    place: Path,
    alone: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SLURM_STEP.items():
        monkeypatch.setenv(name, value)
    step = Job.training_step

    def signalled(self: Job, batch: Any, batch_idx: int) -> Any:
        if (self.current_epoch, batch_idx) == (1, 0):
            signal.raise_signal(number)
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Job, "training_step", signalled)
        with pytest.raises(Interrupted, match=f"{number.name} received") as left:
            train(spec)
    assert left.value.exit_code == 128 + number
    folder = find_run(place.parent / "runs", "tiny")
    assert folder.read_record().status is Status.KILLED
    assert load_torch(folder.interrupted)["inside_epoch"]["batches"] == 1
    train(spec, resume=folder)
    assert computed(folder) == computed(alone)


def test_no_argument_of_the_trainer_is_read_from_the_environment(
    spec: RunSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task.of(spec, sites)
    for name in inspect.signature(Trainer).parameters:
        monkeypatch.setenv(f"PL_TRAINER_{name.upper()}", "3")
    trainer = build_trainer(task, [])
    assert (trainer.max_epochs, trainer.max_steps, trainer.min_epochs, trainer.num_nodes) == (2, -1, None, 1)
    assert (trainer.limit_train_batches, trainer.limit_val_batches, trainer.overfit_batches) == (1.0, 1.0, 0.0)
    assert (trainer.check_val_every_n_epoch, trainer.val_check_interval, trainer.log_every_n_steps) == (1, 1.0, 50)


def test_a_callback_of_an_installed_package_stays_outside(
    spec: RunSpec, sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "eager-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: eager\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[lightning.pytorch.callbacks_factory]\neager = eager_callbacks:make\n")
    (tmp_path / "eager_callbacks.py").write_text(
        "from lightning.pytorch import Callback\ndef make():\n    return [Callback()]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    nothing = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    # Where `srun` is there, Lightning warns whoever leaves it to find out who has started it.
    bare = Trainer(**nothing, enable_checkpointing=False, plugins=LightningEnvironment())
    assert len(bare.callbacks) == 1, "Lightning takes it"
    own: list[Callback] = [SignalWatch()]
    assert build_trainer(Task.of(spec, sites), own).callbacks == own
