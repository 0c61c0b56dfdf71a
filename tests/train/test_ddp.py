"""Two processes on CPU, plain `ddp`: every parameter is used, no score counts twice, one process writes."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from kag import names
from kag.data.sites import Sites
from kag.errors import SpecError
from kag.forks.sharing import ShareOptions
from kag.spec import spec_text
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from kag.train.fit import fork_inputs
from kag.train.task import Task
from kag.view.changes import diff
from kag.view.words import find_run
from kag.weights.checkpoint import read_checkpoint
from kag.weights.epochs import EpochWeights
from kag.weights.evaluate_file import evaluate_file
from kag.weights.storage import load_torch
from tests import warm
from tests.delivered import delivered
from tests.devices import on_gpus, use
from tests.e2e.tracking import until
from tests.epoch_lines import ends_epoch
from tests.jobs import no_job
from tests.train.conftest import MakeSpec, Train

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("kag_script.py")
WINDOW = {"start": 2, "window": 2, "keep_sums": True}


@pytest.fixture(scope="module")
def folder(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two processes with auxiliary head, modality dropout and averaging, over residues of all proteins."""
    with pytest.MonkeyPatch.context() as patch:
        return trained("cpu", make_spec, tmp_path_factory.mktemp("ddp"), patch)


def trained(device: str, make_spec: MakeSpec, place: Path, patch: pytest.MonkeyPatch) -> RunFolder:
    use(device, patch)
    changes = {"data.batch_size": 32, "data.grouping": "residue", "model.modality_dropout": 0.3}
    spec = make_spec(**{"swa": WINDOW, **changes})
    (place / "spec.yaml").write_text(spec_text(spec))
    command = [sys.executable, SCRIPT, "train", "spec.yaml", "trainer.devices=2"]
    environment = no_job() | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = warm.run(command, cwd=place, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "results of" in done.stdout
    return find_run(place / "runs", "tiny")


@pytest.mark.slow(10, "two processes train and write one run")
def test_the_run_is_finished_and_written_once(folder: RunFolder) -> None:
    is_finished_and_written_once(folder)


@pytest.mark.slow(20, "two GPUs train one run")
@pytest.mark.parametrize("device", [on_gpus(count=2)])
def test_a_run_on_two_gpus_is_finished_and_written_once(
    device: str, make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained(device, make_spec, tmp_path, monkeypatch)
    is_finished_and_written_once(folder)
    world = folder.read_record().world
    assert world is not None
    assert world.device == torch.cuda.get_device_name(0)


def is_finished_and_written_once(folder: RunFolder) -> None:
    record = folder.read_record()
    assert record.status is Status.FINISHED
    assert [path.name for path in folder.path.parent.iterdir() if path.is_dir()] == [folder.id]
    assert [row[names.EPOCH] for row in folder.history()] == [0, 1, 2, 3]
    lines = folder.console_file.read_text().splitlines()
    assert sum(map(ends_epoch, lines)) == 4
    assert record.config["model.modality_dropout"] == 0.3
    assert record.config["model.auxiliary.weight.start"] == 0.1


@pytest.mark.slow(1, "the world of two processes is recorded, compared and part of a fork's key")
def test_the_world_is_in_the_record_in_the_differences_and_in_the_key_of_a_fork(
    folder: RunFolder, make_spec: MakeSpec, sites: Sites
) -> None:
    record = folder.read_record()
    assert record.world is not None
    assert (record.world.launcher, record.world.processes, record.world.threads) == ("lightning", 2, 1)
    assert record.world.effective_batch == 64
    steps = sum(1 for _ in folder.history()) * -(-len(sites.index("train")) // 64)
    assert record.world.optimizer_steps == steps
    alone = record.world.model_copy(update={"launcher": "none", "processes": 1, "effective_batch": 32})
    changes = {one.key: (one.before, one.after) for one in diff(record.model_copy(update={"world": alone}), record)}
    assert changes == {"world.processes": (1, 2), "world.effective_batch": (32, 64)}
    spec = make_spec(**{"swa": WINDOW, "data.batch_size": 32})
    one, two = (fork_inputs(Task.of(spec, sites, world), None) for world in (alone, record.world))
    assert one != two


def test_forks_of_several_processes_are_refused_before_anything_is_written(
    make_spec: MakeSpec, train: Train, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match="forks are for runs of one process, this one has 2"):
        train(make_spec(**{"trainer.devices": 2}), share=ShareOptions(tmp_path / "share"))
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "share").exists()


@pytest.mark.slow(1, "weights of two processes score the same in one")
def test_one_process_scores_the_same(folder: RunFolder) -> None:
    """Each process scored a part of val: together it is exactly val, nothing twice."""
    record, history = folder.read_record(), folder.history()
    best = auprc(record, folder, "best")
    assert best == pytest.approx(history[record.best_epoch or 0][names.OBJECTIVE], abs=1e-6)
    averaged = auprc(record, folder, "averaged")
    assert averaged == pytest.approx(history[-1][names.averaged(names.OBJECTIVE)], abs=1e-6)
    assert auprc(record, folder, "delivered") == delivered(record, "val").value


def auprc(record: RunRecord, folder: RunFolder, checkpoint: str) -> float:
    results = evaluate_file(folder.path / record.checkpoints[checkpoint].path, ["val"]).results
    return next(result.value for result in results if result.metric == "auprc")


@pytest.mark.slow(1, "fewer processes than the spec asks for are refused")
def test_too_few_processes_are_refused(make_spec: MakeSpec, tmp_path: Path) -> None:
    """Under SLURM Lightning waits for others to start the processes; one task alone would train by itself."""
    (tmp_path / "spec.yaml").write_text(spec_text(make_spec()))
    slurm = {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_JOB_ID": "7"}
    environment = no_job() | slurm | {"SLURM_JOB_NAME": "train", "SLURM_NNODES": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, SCRIPT, "train", "spec.yaml", "trainer.devices=2"]
    done = warm.run(command, cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "asks for 2 processes, srun starts 1 process" in done.stderr
    assert "srun --nodes=1 --ntasks-per-node=2 kag train ..." in done.stderr
    assert not (tmp_path / "runs").exists(), "refused before there is a folder"


@pytest.mark.slow(5, "a signal ends all processes behind the same batch")
def test_a_signal_to_all_processes_ends_them_behind_the_same_batch(make_spec: MakeSpec, tmp_path: Path) -> None:
    """One gets it a batch before the other; whoever left alone would leave the other with a broken connection."""
    (tmp_path / "spec.yaml").write_text(spec_text(make_spec(**{"epochs": 200, "data.batch_size": 8})))
    words = [sys.executable, SCRIPT, "train", "spec.yaml", "trainer.devices=2"]
    env = no_job() | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "out", "w") as out, open(tmp_path / "error", "w") as told:
        process = warm.start(words, cwd=tmp_path, env=env, output=out, errors=told)
    until(lambda: any(map(ends_epoch, (tmp_path / "out").read_text().splitlines(True))), what="the first epoch")
    os.killpg(process.pid, signal.SIGUSR1)
    process.wait()
    error = (tmp_path / "error").read_text()
    assert process.returncode == 128 + signal.SIGUSR1, error
    assert error.splitlines() == ["error: SIGUSR1 received"]
    folder = find_run(tmp_path / "runs", "tiny")
    record = folder.read_record()
    assert (record.status, record.epochs_trained) == (Status.KILLED, len(folder.history()))
    assert load_torch(folder.last)["epoch"] == record.epochs_trained - 1


@pytest.mark.slow(1, "two processes average the same epochs")
def test_the_average_is_the_mean_of_its_epochs(folder: RunFolder) -> None:
    record = folder.read_record()
    assert record.found.averaged_epochs == (2, 3)
    averaged = read_checkpoint(folder.checkpoints / "averaged.ckpt").network
    expected = EpochWeights(folder).mean(2, 2)
    last = read_checkpoint(folder.last).network
    trained = [name for name in averaged if name.endswith(("weight", "bias"))]
    assert len(trained) > 20
    assert max(float((averaged[name] - expected[name]).abs().max()) for name in trained) <= 1e-7
    assert any(not torch.equal(averaged[name], last[name]) for name in trained)
