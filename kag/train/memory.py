"""Whether a run fits the machine, asked before anything of its size exists."""

from __future__ import annotations

import os
from typing import NamedTuple

import torch

from kag import text
from kag.data.control_groups import memory_limit
from kag.errors import SpecError
from kag.model.size import shape_network, training_memory
from kag.train.task import Task

LIBRARIES = 480 * 2**20
"""Bytes of Python, torch and Lightning in a process that has read no data yet; measured on the CPU."""

SPARE = 2**30 - LIBRARIES
"""Bytes that temporary tensors may take beside what is counted."""


class Expected(NamedTuple):
    """Bytes of one training process."""

    certain: int
    """Weights, their average, gradients and moments, and on the CPU a copy of all but the gradients, which is written
    while training goes on; with `grouping: point` activations and the batch as well.
    """
    step: int
    """A training step in which no two points share a context: the most that a batch can need."""
    tables: int
    """The data; if they come from the cache, all processes of a host hold them once."""

    @property
    def total(self) -> int:
        """All that a process takes on the CPU, at the most."""
        return self.step + self.tables + LIBRARIES


def expected_memory(task: Task) -> Expected:
    """What training will take, from shapes alone."""
    spec = task.spec
    memory = training_memory(
        spec.model,
        **task.facts.sizes,
        batch_size=spec.data.batch_size,
        precision=spec.trainer.precision,
    )
    # How many contexts the points of a batch share depends on the batch, so only the weights are certain then.
    shared = memory.activations + memory.batch if task.share != "nothing" else 0
    average = memory.parameters if spec.swa else 0
    written = 0 if torch.cuda.is_available() else memory.parameters + memory.moments + average
    step = memory.total + average + written
    return Expected(step - shared, step, task.sites.bytes)


def require_memory(task: Task) -> Expected:
    """Refuse a run that cannot fit, before torch fails in the middle of it.

    Raises:
        SpecError: names what is needed and what the machine has.
    """
    expected = expected_memory(task)
    _refuse(task, expected.certain)
    return expected


def require_memory_for_weights(task: Task) -> None:
    """The same from the weights alone, without a forward pass: a fault of the model code is the rehearsal's to find.

    Raises:
        SpecError: as `require_memory`.
    """
    network = shape_network(task.spec.model, **task.facts.sizes)
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    averaged = bool(task.spec.swa)
    written = 0 if torch.cuda.is_available() else 3 + averaged
    _refuse(task, (4 + averaged + written) * weights)


def _refuse(task: Task, step: int) -> None:
    have, where = machine_memory()
    on_gpu = torch.cuda.is_available()
    # On the CPU all processes share one memory; of the GPUs each has its own.
    sharing = 1 if on_gpu else task.world.processes or 1
    # Pages of the cache give way where memory is short, and come back from the disk.
    tables = 0 if task.sites.prepared is not None and not on_gpu else task.sites.bytes
    need = sharing * (step + tables + LIBRARIES + SPARE)
    if need > have:
        processes = f" in {sharing} processes" if sharing > 1 else ""
        raise SpecError(
            f"training{processes} needs about {text.size(need)}, {where} has {text.size(have)}",
            where=task.spec.name,
            remedy="a smaller model.attention.width, model.hidden or data.batch_size; `kag check` shows the figures",
        )


def machine_memory() -> tuple[int, str]:
    """Bytes of the place where training computes, and its name."""
    if torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(0).total_memory), torch.cuda.get_device_name(0)
    machine, limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), memory_limit()
    return (machine, "this machine") if limit is None or limit >= machine else (limit, "this container or job")
