"""What a spec asks for on a machine, and what the job around it has no say in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.errors import SpecError
from kag.spec import build_spec
from kag.track.world import (
    Machine,
    World,
    copies,
    may_be_first,
    processors_each,
    rank_of,
    resolve_world,
    started,
    threads_for,
)

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


@pytest.mark.parametrize(
    ("around", "launcher", "rank"),
    [
        ({}, "lightning", 0),
        ({"RANK": "1"}, "lightning", 0),
        ({"LOCAL_RANK": "1", "NODE_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "lightning", 0),
        ({"SLURM_NTASKS": "2"}, "lightning", 0),
        ({"KAG_LAUNCHED": "1", "LOCAL_RANK": "1", "RANK": "0", "WORLD_SIZE": "2", **SLURM}, "lightning", 1),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "torchrun", 1),
        ({**SLURM, **TORCHRUN, "SLURM_PROCID": "0"}, "torchrun", 1),
        (SLURM, "slurm", 1),
    ],
)
def test_the_rank_comes_from_the_launcher_whose_variables_are_complete(
    around: dict[str, str], launcher: str, rank: int
) -> None:
    world = resolved(around, **{"trainer.devices": 2})
    assert (world.launcher, rank_of(world, around)) == (launcher, rank)
    assert may_be_first(around) is (rank == 0)
    assert rank_of(resolved(around), around) == 0, "one process is the first"
    assert started(world, around) == (2, 1)


@pytest.mark.parametrize(
    ("around", "said"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}, "srun starts this 2 times"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"}, "srun starts this 2 times"),
        ({"SLURM_NTASKS": "8", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1"}, None),
        ({"RANK": "0", "WORLD_SIZE": "4"}, "torchrun starts this 4 times"),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"WORLD_SIZE": "4"}, None),
        ({"RANK": "x", "WORLD_SIZE": "many"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "3"}, "mpirun starts this 3 times"),
        ({"RANK": "0", "WORLD_SIZE": "4", "WANDB_SWEEP_ID": "s"}, None),
    ],
)
def test_copies_of_a_run_of_one_process_are_told_of(around: dict[str, str], said: str | None) -> None:
    told = copies(resolved(around), around)
    assert told is None if said is None else said in str(told)
    assert copies(resolved(around, **{"trainer.devices": 2}), around) is None


def test_more_gpus_than_there_are_cannot_be() -> None:
    with pytest.raises(SpecError, match="2 GPUs are asked for, this process sees 1"):
        resolved(gpus=("H100",), **{"trainer.devices": 2})


def test_auto_is_every_gpu_of_the_machine_or_one_process() -> None:
    assert resolved(**{"trainer.devices": "auto"}).processes == 1
    assert resolved(gpus=("H100",) * 4, **{"trainer.devices": "auto"}).processes == 4


def test_threads_are_left_to_the_shape_unless_somebody_has_decided() -> None:
    assert resolved().threads is None
    assert resolved({"OMP_NUM_THREADS": "3"}, threads=3, **{"trainer.devices": 2}).threads == 3
    assert resolved({"OMP_NUM_THREADS": "3"}, threads=3, **{"trainer.threads": 2}).threads == 2, "the spec comes first"


def test_processors_are_shared_among_processes_and_a_limit_holds() -> None:
    machine = Machine((), cpus=8, threads=8, host="lab", environment={})
    assert processors_each(World(processes=1), machine) == 8
    assert processors_each(World(processes=2), machine) == 4
    assert processors_each(World(processes=16), machine) == 1
    limited = machine._replace(environment={"OMP_THREAD_LIMIT": "3"})
    assert [processors_each(World(processes=count), limited) for count in (1, 2, 4)] == [3, 3, 2]


@pytest.mark.parametrize(
    ("parameters", "points", "threads"),
    [(65_000, 128, 1), (65_000, 640, 1), (300_000, 640, 1), (992_000, 640, 2), (79_000_000, 640, 64)],
)
def test_more_threads_are_for_steps_that_feed_them(parameters: int, points: int, threads: int) -> None:
    assert threads_for(parameters, points, processors=64) == threads
    assert threads_for(parameters, points, processors=1) == 1


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(1, 512))
def test_a_larger_step_never_gets_fewer_threads(parameters: int, points: int, processors: int) -> None:
    found = threads_for(parameters, points, processors)
    assert 1 <= found <= processors
    assert threads_for(parameters, points * 2, processors) >= found
    assert threads_for(parameters, points, processors + 1) >= found


def test_one_line_for_a_person() -> None:
    world = resolved(**{"trainer.threads": 8}).model_copy(update={"optimizer_steps": 1200})
    assert str(world) == "1 process, cpu, 8 threads each, 32-true, 100 points an optimizer step, 1,200 steps"
    assert str(World(processes=2, device="cpu")) == "2 processes, cpu"
    assert str(World()) == ""


def test_its_keys_leave_out_what_cannot_change_a_number() -> None:
    flat = resolved(SLURM, **{"trainer.devices": 2}).flat()
    assert flat["world.processes"] == 2
    assert not {"world.hosts", "world.job", "world.launcher", "world.optimizer_steps"} & flat.keys()


@pytest.mark.parametrize(
    ("gpus", "formats", "computed"),
    [
        ((), frozenset(["bf16"]), "32-true"),
        ((), None, "32-true"),
        (("A100",), frozenset(["bf16", "tf32"]), "tf32"),
        (("V100",), frozenset(), "32-true"),
    ],
)
def test_tf32_is_what_the_world_says_only_where_there_is_such_a_thing(
    gpus: tuple[str, ...], formats: frozenset[str] | None, computed: str
) -> None:
    spec = build_spec({"name": "a", "data": {"file": "a.h5"}, "trainer": {"precision": "tf32"}})
    world = resolve_world(spec, Machine(gpus, cpus=8, threads=8, host="lab", environment={}, formats=formats))
    assert (world.precision, world.validation) == (computed, computed)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_val_is_measured_as_training_computes(precision: str) -> None:
    world = resolved(**{"trainer.precision": precision})
    assert world.precision == world.validation == precision
