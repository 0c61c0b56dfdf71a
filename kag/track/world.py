"""`World`: where and how a run was computed, as far as it can change a number. Resolved before anything else.

Two runs of one spec in two worlds are two results: other batches, another order of sums, other rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from kag.errors import SpecError
from kag.spec.flat import Scalar
from kag.spec.run import RunSpec

Launcher = Literal["none", "lightning", "torchrun", "slurm"]

LAUNCHED = "KAG_LAUNCHED"
"""Set where Lightning starts the processes of a run: what else their environment says is of the job around it."""

THREADS, THREAD_LIMIT = "OMP_NUM_THREADS", "OMP_THREAD_LIMIT"
"""How many threads a program is to use, and how many it may: variables of OpenMP, which torch goes by."""

OPERATIONS = 6
"""Floating-point operations of a training step for each parameter and point (Kaplan et al. 2020, arXiv 2001.08361)."""

OPERATIONS_A_THREAD = 1_500_000_000
"""Of a step, below which one thread more costs more than it gives; measured on x86 with libgomp.

At 3.8e9 a second thread takes 0.57 of the time for 1.13 of the CPU time, at 1.2e9 0.71 for 1.39, at 0.05e9 it takes
5 times as long.
"""

_RANK = {"lightning": "LOCAL_RANK", "torchrun": "RANK", "slurm": "SLURM_PROCID"}


class World(BaseModel):
    """What is known of it; None where nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    launcher: Launcher | None = None
    """What really started the processes."""
    processes: int | None = None
    """World size: processes that train together, one a device."""
    nodes: int | None = None
    hosts: tuple[str, ...] = ()
    device: str | None = None
    """Kind of a device: `cpu`, or the name of the GPU."""
    precision: str | None = None
    validation: str | None = None
    """Number format in which val is measured after each epoch, and with it the results; those of an older kag are in
    32 bits whatever stands here.
    """
    threads: int | None = None
    """Of a process, in torch's operators."""
    accumulate: int | None = None
    """Batches per optimizer step."""
    effective_batch: int | None = None
    """Points per optimizer step, over all processes."""
    optimizer_steps: int | None = None
    """Of the whole run, if nothing stops it early."""
    job: str | None = None
    """Id of the scheduler's job."""

    def __str__(self) -> str:
        """One line for a person."""
        processes = "" if self.processes is None else f"{self.processes} process{'es' if self.processes > 1 else ''}"
        threads = "" if self.threads is None else f"{self.threads} thread{'s' if self.threads > 1 else ''} each"
        batch = "" if self.effective_batch is None else f"{self.effective_batch:,} points an optimizer step"
        steps = "" if self.optimizer_steps is None else f"{self.optimizer_steps:,} steps"
        parts = (processes, self.device, threads, self.precision, batch, steps)
        return ", ".join(part for part in parts if part)

    def flat(self) -> dict[str, Scalar]:
        """`world.processes` -> value, ... for what can change a number; the hosts and the job cannot."""
        shown = self.model_dump(exclude={"hosts", "job", "launcher"}, exclude_none=True)
        return {f"world.{key}": value for key, value in shown.items()}


class Machine(NamedTuple):
    """What the process sees of the machine that it runs on."""

    gpus: tuple[str, ...]
    """Names of the GPUs, in their order."""
    cpus: int
    """Processors that this process may use."""
    threads: int
    """Threads of torch's operators as they are set now."""
    host: str
    environment: Mapping[str, str]
    formats: frozenset[str] | None = None
    """Of `bf16` and `tf32` those for which its processors or GPUs have units; None where nobody knows."""


def resolve_world(spec: RunSpec, machine: Machine) -> World:
    """The world that a spec asks for on a machine.

    A spec of one process is a world of one, whatever the job around it says; only a spec that asks for more is started
    by a launcher: the one whose variables are complete, else Lightning starts the other processes itself.

    Raises:
        SpecError: the machine has GPUs, but fewer than the spec asks for.
    """
    trainer, wanted = spec.trainer, spec.trainer.devices
    processes = wanted if isinstance(wanted, int) else max(1, len(machine.gpus))
    if machine.gpus and processes > len(machine.gpus):
        raise SpecError(
            f"{processes} GPUs are asked for, this process sees {len(machine.gpus)}",
            where="trainer.devices",
            remedy="ask the scheduler for GPUs of the node, not of each task, or for fewer devices",
        )
    launcher = _launcher(machine.environment) if processes > 1 else "none"
    # Where the device has no TF32, its products of 32 bits are exact.
    exact = trainer.precision == "tf32" and "tf32" not in (machine.formats or ())
    precision = "32-true" if exact else trainer.precision
    return World(
        launcher=launcher,
        processes=processes,
        nodes=1,
        hosts=(machine.host,),
        device=machine.gpus[0] if machine.gpus else "cpu",
        precision=precision,
        validation=precision,
        threads=_threads_said(trainer.threads, machine),
        accumulate=trainer.accumulate,
        effective_batch=spec.data.batch_size * processes * trainer.accumulate,
        job=machine.environment.get("SLURM_JOB_ID"),
    )


def threads_for(parameters: int, points: int, processors: int) -> int:
    """Threads that a training step of a shape is worth: at least one, and no more than there are processors.

    A function of the shape alone. Threads change the last digits of a sum, so the load of a machine has no say.

    Args:
        parameters: of the model.
        points: of a batch of one process.
        processors: that a process may use.
    """
    return max(1, min(processors, OPERATIONS * parameters * points // OPERATIONS_A_THREAD))


def processors_each(world: World, machine: Machine) -> int:
    """Processors for each process of a run: its share, unless there is a limit below that."""
    share = max(1, machine.cpus // (world.processes or 1))
    return min(share, _number(machine.environment, THREAD_LIMIT) or share)


def _threads_said(wanted: int | Literal["auto"], machine: Machine) -> int | None:
    """How many threads the spec or the environment asks for; None where it is left to the shape."""
    if wanted != "auto":
        return wanted
    return machine.threads if THREADS in machine.environment else None


def rank_of(world: World, environment: Mapping[str, str]) -> int:
    """Number of this process among those of the run, as the launcher tells it; a world of one has the first alone."""
    if world.launcher == "lightning" and LAUNCHED not in environment:
        return 0
    return _number(environment, _RANK.get(world.launcher or "none"))


def may_be_first(environment: Mapping[str, str]) -> bool:
    """Whether a process may be the first of its run, as far as its launcher tells it and no spec."""
    return rank_of(World(launcher=_launcher(environment)), environment) == 0


def started(world: World, environment: Mapping[str, str]) -> tuple[int, int]:
    """How many processes the launcher has started, and on how many machines; all on this one where it is Lightning."""
    if world.launcher == "torchrun":
        processes = _number(environment, "WORLD_SIZE")
        return processes, -(-processes // (_number(environment, "LOCAL_WORLD_SIZE") or processes or 1))
    if world.launcher == "slurm":
        tasks = _number(environment, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        return tasks, _number(environment, "SLURM_STEP_NUM_NODES", "SLURM_NNODES") or 1
    return world.processes or 1, 1


def copies(world: World, environment: Mapping[str, str]) -> str | None:
    """What to say where one launcher starts a run of one process several times. Trials differ, they are no copies."""
    if world.processes != 1 or "WANDB_SWEEP_ID" in environment:
        return None
    in_step = "SLURM_STEP_ID" in environment or _number(environment, "SLURM_PROCID") > 0
    counts = {
        "srun": _number(environment, "SLURM_STEP_NUM_TASKS", *(["SLURM_NTASKS"] if in_step else [])),
        "torchrun": _number(environment, "WORLD_SIZE") if "RANK" in environment else 0,
        "mpirun": _number(environment, "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"),
    }
    launcher, count = max(counts.items(), key=itemgetter(1))
    if count < 2:
        return None
    together = f"trainer.devices={count} trains them together"
    return f"{launcher} starts this {count} times, each is a run of its own, of one process; {together}"


def _launcher(environment: Mapping[str, str]) -> Launcher:
    said = environment.keys()
    if LAUNCHED in said:
        return "lightning"
    if {"RANK", "WORLD_SIZE"} <= said and ("TORCHELASTIC_RUN_ID" in said or {"MASTER_ADDR", "MASTER_PORT"} <= said):
        return "torchrun"
    interactive = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "slurm" if {"SLURM_NTASKS", "SLURM_PROCID"} <= said and not interactive else "lightning"


def _number(environment: Mapping[str, str], *names: str | None) -> int:
    """The first of these variables that is a number, else 0: what is no number was not set by a launcher."""
    words = (environment.get(name, "") for name in names if name is not None)
    return next((int(word) for word in words if word.isdecimal()), 0)
