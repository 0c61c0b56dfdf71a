"""`World`: where and how a run was computed, as far as it can change a number. Resolved before anything else.

Two runs of one spec in two worlds are two results: other batches, another order of sums, other rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from kag.spec.flat import Scalar
from kag.spec.run import RunSpec

Launcher = Literal["none", "lightning", "torchrun", "slurm"]


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
    """Number format in which val is measured after each epoch; the results of a run are always in 32 bits."""
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


def resolve_world(spec: RunSpec, machine: Machine) -> World:
    """The world that a spec asks for on a machine.

    A spec of one process is a world of one, whatever the job around it says; only a spec that asks for more is started
    by a launcher: the one whose variables are complete, else Lightning starts the other processes itself.
    """
    trainer, wanted = spec.trainer, spec.trainer.devices
    processes = wanted if isinstance(wanted, int) else max(1, len(machine.gpus))
    launcher = _launcher(machine.environment) if processes > 1 else "none"
    threads = machine.threads
    if processes > 1 and "OMP_NUM_THREADS" not in machine.environment:
        # Lightning shares the processors among the processes, unless somebody has decided.
        threads = max(1, machine.cpus // processes)
    return World(
        launcher=launcher,
        processes=processes,
        nodes=1,
        hosts=(machine.host,),
        device=machine.gpus[0] if machine.gpus else "cpu",
        precision=trainer.precision,
        validation="32-true",
        threads=threads,
        accumulate=trainer.accumulate,
        effective_batch=spec.data.batch_size * processes * trainer.accumulate,
        job=machine.environment.get("SLURM_JOB_ID"),
    )


def _launcher(environment: Mapping[str, str]) -> Launcher:
    if "TORCHELASTIC_RUN_ID" in environment:
        return "torchrun"
    if "SLURM_NTASKS" in environment and environment.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        return "slurm"
    return "lightning"
