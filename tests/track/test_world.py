"""What a spec asks for on a machine, and what the job around it has no say in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.errors import SpecError
from kag.spec import build_spec
from kag.track.launch import copies, first_of, launch_of, may_be_first, meeting_port, require_fit, restarts
from kag.track.world import Machine, World, launch, processors_each, resolve_world, threads_for

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
    assert world.job == around.get("SLURM_JOB_ID", around.get("TORCHELASTIC_RUN_ID"))


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
    found = launch(world, around)
    assert (world.launcher, found.rank) == (launcher, rank)
    assert may_be_first(around) is (rank == 0)
    assert launch(resolved(around), around).rank == 0, "one process is the first"
    require_fit(found, 1, 2)


STEP = {"SLURM_PROCID": "3", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_JOB_NAME": "train"}
FOUR = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "9", "SLURM_STEP_NUM_NODES": "2", "SLURM_NNODES": "3"}
ELASTIC = {"TORCHELASTIC_RUN_ID": "r", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "4"}


@pytest.mark.parametrize(
    ("around", "launcher"),
    [
        (STEP | FOUR | {"SLURM_STEP_TASKS_PER_NODE": "2(x2)"}, "slurm"),
        (STEP | FOUR | {"SLURM_STEP_TASKS_PER_NODE": "2,2"}, "slurm"),
        (STEP | FOUR, "slurm"),
        (ELASTIC | {"LOCAL_WORLD_SIZE": "2"}, "torchrun"),
        ({"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, "torchrun"),
    ],
)
def test_a_world_of_two_nodes_knows_the_place_of_each_process(around: dict[str, str], launcher: str) -> None:
    world = resolved(around, **{"trainer.nodes": 2, "trainer.devices": 2})
    assert (world.launcher, world.processes, world.nodes, world.devices) == (launcher, 4, 2, 2)
    assert world.effective_batch == 400
    found = launch(world, around)
    assert (found.rank, found.local_rank, found.node_rank) == (3, 1, 1)
    require_fit(found, 2, 2)


@pytest.mark.parametrize(
    ("around", "nodes", "devices", "said"),
    [
        ({}, 2, 1, "asks for 2 processes on 2 nodes, without srun or torchrun Lightning starts 1 process"),
        (STEP | FOUR, 1, 4, "asks for 4 processes, srun starts 4 processes on 2 nodes"),
        (STEP | FOUR, 2, 4, "asks for 8 processes on 2 nodes, srun starts 4 processes on 2 nodes"),
        (STEP | FOUR | {"SLURM_STEP_TASKS_PER_NODE": "3,1"}, 2, 2, "srun starts 4 processes on 2 nodes, 3 and 1"),
        (SLURM | {"SLURM_NTASKS": "1"}, 1, 2, "asks for 2 processes, srun starts 1 process"),
        (ELASTIC | {"LOCAL_WORLD_SIZE": "4"}, 2, 2, "torchrun starts 4 processes"),
        (ELASTIC | {"LOCAL_WORLD_SIZE": "1"}, 2, 2, "torchrun starts 4 processes on 4 nodes"),
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, 2, 1, "torchrun starts 1 process"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_with_the_command_that_would(
    around: dict[str, str], nodes: int, devices: int, said: str
) -> None:
    world = resolved(around, **{"trainer.nodes": nodes, "trainer.devices": devices})
    with pytest.raises(SpecError) as refused:
        require_fit(launch(world, around), nodes, devices)
    assert said in refused.value.what
    commands = {
        "slurm": f"srun --nodes={nodes} --ntasks-per-node={devices} kag train ...",
        "torchrun": f"torchrun --nnodes={nodes} --nproc-per-node={devices} ",
    }
    expected = [commands[world.launcher]] if world.launcher in commands else commands.values()
    assert all(command in str(refused.value.remedy) for command in expected)


@given(
    st.dictionaries(
        st.sampled_from([*STEP, *FOUR, *ELASTIC, "SLURM_STEP_TASKS_PER_NODE", "LOCAL_WORLD_SIZE", "MASTER_PORT"]),
        st.sampled_from(["", "0", "1", "2", "4", "2(x2)", "none", "x"]),
    )
)
def test_whatever_the_job_says_a_world_of_one_fits(around: dict[str, str]) -> None:
    require_fit(launch_of(around, 1, 1), 1, 1)
    assert launch(resolved(around), around).rank == 0
    with_more = launch_of(around, 2, 2)
    assert min(with_more.rank, with_more.local_rank, with_more.node_rank, with_more.processes) >= 0


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("n1", "n1"),
        ("n[1-2]", "n1"),
        ("gpu[07-09,12],big1", "gpu07"),
        ("big1,gpu[07-09]", "big1"),
        ("r[1-2]c3,x", "r1c3"),
        ("", ""),
    ],
)
def test_the_first_host_of_a_list(hosts: str, first: str) -> None:
    assert first_of(hosts) == first


def test_a_run_leads_to_the_log_of_its_job() -> None:
    array = {"SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURMD_NODENAME": "n2", **SLURM}
    world = resolved(array)
    assert (world.job, world.task, world.node, world.restarts) == ("77", "70_3", "n2", None)
    assert str(world).endswith("job 70_3 on n2")
    assert resolved({**SLURM, "SLURM_RESTART_COUNT": "2"}).restarts == 2
    assert restarts({"TORCHELASTIC_RESTART_COUNT": "1", "SLURM_RESTART_COUNT": "2"}) == 3
    assert resolved(TORCHRUN | {"TORCHELASTIC_RUN_ID": "none"}).job is None


def test_no_two_steps_of_jobs_that_may_share_a_node_meet_at_one_port() -> None:
    """All processes of a step find the same port, by what SLURM tells each of them."""
    steps = [(job, step) for job in range(1_234_500, 1_234_650) for step in range(97)]
    ports = [meeting_port({"SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(step)}) for job, step in steps]
    assert len(set(ports)) == len(steps)
    assert min(ports) >= 15000
    assert max(ports) < 32768, "from there on systems hand out ports by themselves"
    assert meeting_port({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "2", "MASTER_PORT": "1234"}) == 1234


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
    told = copies(around)
    assert told is None if said is None else said in str(told)


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
    assert not {"world.hosts", "world.job", "world.log", "world.launcher", "world.optimizer_steps"} & flat.keys()


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
