"""The part of the rehearsal that only the device itself can pass: number format, compilation, optimizer, memory.

It comes before there is a run folder: what a GPU cannot do is no run that failed.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from kag.errors import RehearsalFailed, SpecError
from kag.model.batch import Batch
from kag.model.losses import Losses, Objective
from kag.model.network import Network
from kag.model.precision import computing_in
from kag.text import size
from kag.train.build import build_optimizer
from kag.train.task import Task, place_of

STEPS = 2
"""The first makes the optimizer's moments; with the second all that training holds is there at once."""


def device_of(task: Task) -> torch.device | None:
    """The GPU on which this process trains; None on the CPU, where the rehearsal itself is on the device."""
    return None if task.world.device == "cpu" else torch.device("cuda", place_of(task.world).local_rank)


def rehearse_on_device(
    task: Task, network: Network, objective: Objective, train: Batch, evaluation: Batch, device: torch.device
) -> str:
    """Take `STEPS` steps of training and evaluate a batch, all as the run will; the given modules stay as they are.

    Args:
        train, evaluation: batches on any device.
        device: that trains.

    Returns:
        What was found, a sentence.

    Raises:
        RehearsalFailed: a loss or a weight is not finite.
        SpecError: the device has less memory than a step takes.
    """
    network, objective = copy.deepcopy(network).to(device), copy.deepcopy(objective).to(device)
    train, evaluation = _moved(train, device), _moved(evaluation, device)
    if task.spec.trainer.compile:
        network.compile()
    state = torch.get_rng_state()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        losses = _train(task, network, objective, train)
        with computing_in(task.precision, device), torch.inference_mode():
            logit_B = network.eval()(evaluation).logit_B
    except torch.OutOfMemoryError as error:
        raise _too_small(task, str(error).split(". ")[0]) from error
    finally:
        torch.set_rng_state(state)
    told = ", ".join(f"{loss:.4g}" for loss in losses)
    if not (all(map(math.isfinite, losses)) and bool(torch.isfinite(logit_B).all())):
        raise RehearsalFailed(
            f"the first steps on {task.world.device} in {task.precision} have the losses {told}; "
            "they, or the logits of the weights after them, are not finite",
            remedy="try trainer.precision=32-true; if it ends the same, look at the data with `kag data check`",
        )
    return f"{STEPS} steps on {task.world.device} in {task.precision} have the losses {told}{_peak(task, device)}"


def _train(task: Task, network: Network, objective: Objective, batch: Batch) -> list[float]:
    optimizer = build_optimizer(task.spec, network, objective)
    scaler = torch.amp.GradScaler(batch.label_B.device.type, enabled=task.precision == "16-mixed")
    network.train()
    losses: list[Tensor] = []
    for _ in range(STEPS):
        with computing_in(task.precision, batch.label_B.device):
            found: Losses = objective(network(batch), batch)
        scaler.scale(found.total).backward()  # type: ignore[no-untyped-call]
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(network.parameters(), task.spec.trainer.gradient_clip or math.inf)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        losses.append(found.total.detach())
    return torch.stack(losses).tolist()


def _moved(batch: Batch, device: torch.device) -> Batch:
    return batch._replace(**{name: each.to(device) for name, each in batch._asdict().items() if each is not None})


def _peak(task: Task, device: torch.device) -> str:
    """What the steps took at most, on a GPU; the residue table comes beside it.

    Raises:
        SpecError: both together do not fit.
    """
    if device.type != "cuda":
        return ""
    peak, whole = torch.cuda.max_memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
    torch.cuda.empty_cache()
    if peak + task.sites.bytes > whole:
        raise _too_small(task, f"a step takes {size(peak)}, the data {size(task.sites.bytes)}")
    return f" and take {size(peak)} at most"


def _too_small(task: Task, what: str) -> SpecError:
    return SpecError(
        f"training does not fit into the memory of {task.world.device}: {what}",
        where=task.spec.name,
        remedy="a smaller model.attention.width, model.hidden or data.batch_size, or trainer.accumulate",
    )
