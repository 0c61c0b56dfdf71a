"""`World`: where and how a run was computed, as far as it can change a number. Resolved before anything else.

Two runs of one spec in two worlds are two results: other batches, another order of sums, other rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from kag.errors import SpecError
from kag.spec.flat import Scalar
from kag.spec.run import RunSpec
from kag.track.launch import Launch, Launcher, job_of, launch_of

THREADS, THREAD_LIMIT = "OMP_NUM_THREADS", "OMP_THREAD_LIMIT"
"""How many threads a program is to use, and how many it may: variables of OpenMP, which torch goes by."""

_NO_NUMBER = {"hosts", "launcher", "job", "task", "node", "log", "restarts"}
"""Fields that tell a run's place among others, and can change none of its numbers."""

OPERATIONS = 6
"""Floating-point operations of a training step for each parameter and point (Kaplan et al. 2020, arXiv 2001.08361)."""

OPERATIONS_A_THREAD = 1_500_000_000
"""Of a step, below which one thread more costs more than it gives; measured on x86 with libgomp.

At 3.8e9 a second thread takes 0.57 of the time for 1.13 of the CPU time, at 1.2e9 0.71 for 1.39, at 0.05e9 it takes
5 times as long.
"""


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
    """Id of the scheduler's job, or of torchrun's run."""
    task: str | None = None
    """Job and task of an array of jobs, as the scheduler writes them: `70_3`."""
    node: str | None = None
    """Name by which the scheduler knows the node of the first process."""
    log: str | None = None
    """File that takes what the job prints, as its node sees it."""
    restarts: int | None = None
    """How often the job had been started again; None for the first time."""

    @property
    def devices(self) -> int:
        """Processes on each node."""
        return (self.processes or 1) // (self.nodes or 1)

    def __str__(self) -> str:
        """One line for a person."""
        processes = "" if self.processes is None else f"{self.processes} process{'es' if self.processes > 1 else ''}"
        processes += f" on {self.nodes} nodes" if (self.nodes or 1) > 1 else ""
        threads = "" if self.threads is None else f"{self.threads} thread{'s' if self.threads > 1 else ''} each"
        batch = "" if self.effective_batch is None else f"{self.effective_batch:,} points an optimizer step"
        steps = "" if self.optimizer_steps is None else f"{self.optimizer_steps:,} steps"
        # An array has an id of its own, by which its logs are named.
        job = "" if self.job is None else f"job {self.task or self.job}" + (f" on {self.node}" if self.node else "")
        parts = (processes, self.device, threads, self.precision, batch, steps, job)
        return ", ".join(part for part in parts if part)

    def flat(self) -> dict[str, Scalar]:
        """`world.processes` -> value, ... for what can change a number; the hosts and the job cannot."""
        shown = self.model_dump(exclude=_NO_NUMBER, exclude_none=True)
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
    devices = wanted if isinstance(wanted, int) else max(1, len(machine.gpus))
    if machine.gpus and devices > len(machine.gpus):
        raise SpecError(
            f"{devices} GPUs are asked for, this process sees {len(machine.gpus)}",
            where="trainer.devices",
            remedy="ask the scheduler for GPUs of the node, not of each task, or for fewer devices",
        )
    processes = trainer.nodes * devices
    started = launch_of(machine.environment, trainer.nodes, devices)
    # Where the device has no TF32, its products of 32 bits are exact.
    exact = trainer.precision == "tf32" and "tf32" not in (machine.formats or ())
    precision = "32-true" if exact else trainer.precision
    return World(
        launcher=started.launcher,
        processes=processes,
        nodes=trainer.nodes,
        hosts=(machine.host,),
        device=machine.gpus[0] if machine.gpus else "cpu",
        precision=precision,
        validation=precision,
        threads=_threads_said(trainer.threads, machine),
        accumulate=trainer.accumulate,
        effective_batch=spec.data.batch_size * processes * trainer.accumulate,
        **job_of(machine.environment),
    )


def launch(world: World, environment: Mapping[str, str]) -> Launch:
    """How the processes of a world were started, and which of them this one is."""
    return launch_of(environment, world.nodes or 1, world.devices)


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
    share = max(1, machine.cpus // world.devices)
    limit = machine.environment.get(THREAD_LIMIT, "")
    return min(share, int(limit) or share) if limit.isdecimal() else share


def _threads_said(wanted: int | Literal["auto"], machine: Machine) -> int | None:
    """How many threads the spec or the environment asks for; None where it is left to the shape."""
    if wanted != "auto":
        return wanted
    return machine.threads if THREADS in machine.environment else None
