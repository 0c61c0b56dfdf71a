"""What a spec asks for on a machine, and what the job around it has no say in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kag.spec import build_spec
from kag.track.world import Machine, World, resolve_world

SLURM = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "r", "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}


def resolved(
    environment: Mapping[str, str] = {}, gpus: tuple[str, ...] = (), threads: int = 8, **changes: Any
) -> World:
    spec = build_spec({"name": "a", "data": {"file": "a.h5", "batch_size": 100}}, changes)
    return resolve_world(spec, Machine(gpus, cpus=8, threads=threads, host="lab", environment=environment))


@pytest.mark.parametrize("around", [{}, SLURM, TORCHRUN, {"RANK": "1"}, {"SLURM_PROCID": "1"}])
def test_a_spec_of_one_process_is_a_world_of_one_whatever_the_job_says(around: dict[str, str]) -> None:
    world = resolved(around, gpus=("H100", "H100"))
    assert (world.launcher, world.processes, world.nodes, world.device) == ("none", 1, 1, "H100")
    assert world.effective_batch == 100
    assert world.job == around.get("SLURM_JOB_ID")


@pytest.mark.parametrize(("around", "launcher"), [({}, "lightning"), (SLURM, "slurm"), (TORCHRUN, "torchrun")])
def test_more_processes_have_a_launcher(around: dict[str, str], launcher: str) -> None:
    world = resolved(around, **{"trainer.devices": 2, "trainer.accumulate": 3})
    assert (world.launcher, world.processes, world.accumulate, world.effective_batch) == (launcher, 2, 3, 600)


def test_an_interactive_job_lets_lightning_start_the_processes() -> None:
    assert resolved({**SLURM, "SLURM_JOB_NAME": "interactive"}, **{"trainer.devices": 2}).launcher == "lightning"


def test_auto_is_every_gpu_of_the_machine_or_one_process() -> None:
    assert resolved(**{"trainer.devices": "auto"}).processes == 1
    assert resolved(gpus=("H100",) * 4, **{"trainer.devices": "auto"}).processes == 4


def test_threads_are_shared_among_processes_unless_somebody_has_decided() -> None:
    assert resolved().threads == 8
    assert resolved(**{"trainer.devices": 2}).threads == 4
    assert resolved({"OMP_NUM_THREADS": "3"}, threads=3, **{"trainer.devices": 2}).threads == 3


def test_one_line_for_a_person() -> None:
    world = resolved().model_copy(update={"optimizer_steps": 1200})
    assert str(world) == "1 process, cpu, 8 threads each, 32-true, 100 points an optimizer step, 1,200 steps"
    assert str(World(processes=2, device="cpu")) == "2 processes, cpu"
    assert str(World()) == ""


def test_its_keys_leave_out_what_cannot_change_a_number() -> None:
    flat = resolved(SLURM, **{"trainer.devices": 2}).flat()
    assert flat["world.processes"] == 2
    assert not {"world.hosts", "world.job", "world.launcher", "world.optimizer_steps"} & flat.keys()
