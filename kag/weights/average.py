"""Averages of weights: running sums over the epochs of a run, any window as a difference of two of them, and means.

Sums are float64: the difference of two large sums then still has more digits than the float32 weights that went in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from kag.data.batches import IndexVector
from kag.data.rows import Share
from kag.data.tables import SiteTables
from kag.errors import CheckpointError
from kag.model.network import Network
from kag.track.atomic import storing
from kag.weights.checkpoint import State, state_differences
from kag.weights.evaluate import evaluating
from kag.weights.storage import load_torch, save_torch

FORMAT = "kag-sums"
VERSION = 1

_FILE = re.compile(r"epoch_(\d{4,})\.pt")


@dataclass(frozen=True, eq=False)
class Sums:
    """What one file holds: the end of one epoch."""

    first: int
    """First epoch in the sums, counted from 0."""
    epoch: int
    """Last epoch in the sums."""
    sums: State
    """float64 sum of each parameter over the ends of epochs `first` ... `epoch`."""
    buffers: State
    """Everything else in the network (normalisation statistics, schedules, counters) at the end of `epoch`."""


def add_to_sums(folder: Path, network: nn.Module, *, epoch: int) -> None:
    """Add the network, as it is at the end of an epoch, to the running sums of its run.

    One file an epoch; each is whole or absent. An epoch that is trained again after a crash replaces its file, and
    files of later epochs, which belong to a future that will be trained again, are removed first.

    Args:
        folder: made if it is missing, inside one that is there.
        network: parameters are summed, buffers are kept as they are.
        epoch: counted from 0.

    Raises:
        CheckpointError: the file of the epoch before is missing (though earlier ones are there) or damaged.
        StorageError: the sums cannot be written.
    """
    with storing(folder):
        folder.mkdir(exist_ok=True)
    known = stored_epochs(folder)
    for later in (number for number in known if number > epoch):
        _file(folder, later).unlink()
    before = read_sums(folder, epoch - 1) if any(number < epoch for number in known) else None
    parameters = {name: value.detach().cpu() for name, value in network.named_parameters()}
    save_torch(
        _file(folder, epoch),
        {
            "format": FORMAT,
            "version": VERSION,
            "first": before.first if before else epoch,
            "epoch": epoch,
            "sums": {
                name: value.double() + before.sums[name] if before else value.double()
                for name, value in parameters.items()
            },
            "buffers": {
                name: value.detach().cpu() for name, value in network.state_dict().items() if name not in parameters
            },
        },
    )


def stored_epochs(folder: Path) -> list[int]:
    """Epochs of which sums are stored, ascending; empty if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(int(match[1]) for path in folder.iterdir() if (match := _FILE.fullmatch(path.name)))


def read_sums(folder: Path, epoch: int) -> Sums:
    """The sums up to an epoch; the numbers stay on the disk until they are used.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of sums.
    """
    path = _file(folder, epoch)
    content = load_torch(path, mmap=True)
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise CheckpointError("not a file of running sums that this kag reads", where=str(path))
    if content.get("epoch") != epoch or not {"first", "sums", "buffers"} <= content.keys():
        raise CheckpointError(f"does not hold the sums up to epoch {epoch}", where=str(path))
    return Sums(content["first"], epoch, content["sums"], content["buffers"])


class RunSums:
    """All stored sums of a run, opened once.

    Args:
        folder: where `add_to_sums` wrote.

    Raises:
        CheckpointError: nothing is stored, an epoch is missing, or as `read_sums`.
    """

    def __init__(self, folder: Path) -> None:
        epochs = stored_epochs(folder)
        if not epochs:
            raise CheckpointError(
                "no running sums of epoch weights", where=str(folder), remedy="train with swa.keep_sums=true"
            )
        self.folder = folder
        self.first, self.last = epochs[0], epochs[-1]
        self._sums = {epoch: read_sums(folder, epoch) for epoch in range(self.first, self.last + 1)}
        if any(each.first != self.first for each in self._sums.values()):
            raise CheckpointError("these sums do not begin with the same epoch", where=str(folder))

    def average(self, start: int, length: int) -> State:
        """Mean of the weights at the ends of epochs `start` ... `start + length - 1`: a difference of two sums.

        Parameters are the mean, float32; buffers are those of the window's last epoch.

        Raises:
            CheckpointError: the window is empty or not covered by the stored epochs.
        """
        end = start + length - 1
        if not (length >= 1 and self.first <= start and end <= self.last):
            raise CheckpointError(
                f"window {start}:{length} is not covered by the stored epochs",
                where=str(self.folder),
                nearest=f"epochs {self.first} to {self.last} are stored",
            )
        after, before = self._sums[end], self._sums.get(start - 1)
        mean = {
            name: ((value - before.sums[name] if before else value) / length).float()
            for name, value in after.sums.items()
        }
        return mean | {name: value.clone() for name, value in after.buffers.items()}


def weighted_mean(states: Sequence[Mapping[str, Tensor]], ratios: Sequence[float]) -> State:
    """Sum of ratio x state, computed in float64; integers (counters) are those of the largest ratio.

    A state whose ratio is 0 takes no part, and one whose ratio is 1 is returned bit for bit.

    Args:
        states: equal names, shapes and types.
        ratios: one for each state, not negative, with the sum 1.

    Raises:
        CheckpointError: names, shapes or types differ (all differences are listed), or the ratios are not shares.
    """
    if len(states) != len(ratios) or min(ratios) < 0.0 or abs(sum(ratios) - 1.0) > 1e-6:
        raise CheckpointError(f"{list(ratios)} are no shares of {len(states)} states")
    for other in states[1:]:
        found = state_differences(states[0], other)
        if found:
            raise CheckpointError("these weights cannot be averaged:\n" + "\n".join(found))
    parts = [(state, ratio) for state, ratio in zip(states, ratios, strict=True) if ratio > 0.0]
    heaviest = max(parts, key=lambda part: part[1])[0]
    if len(parts) == 1:
        return {name: value.clone() for name, value in heaviest.items()}
    return {
        name: _mean([(state[name], ratio) for state, ratio in parts]) if value.is_floating_point() else value.clone()
        for name, value in heaviest.items()
    }


def _mean(parts: Sequence[tuple[Tensor, float]]) -> Tensor:
    total = torch.zeros_like(parts[0][0], dtype=torch.float64)
    for value, ratio in parts:
        total.add_(value, alpha=ratio)
    return total.to(parts[0][0].dtype)


def normalised_by_batch(network: nn.Module) -> bool:
    """Whether the network has statistics that averaging makes stale."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def recompute_normalisation(
    network: Network, tables: SiteTables, batches: Iterable[IndexVector], *, share: Share = "nothing"
) -> None:
    """Replace BatchNorm's running statistics by those of these weights on training data.

    As `torch.optim.swa_utils.update_bn`: all batches count alike. But every other module stays in evaluation mode:
    with dropout active the statistics would be those of a noisier network than the one that is evaluated.
    Without BatchNorm nothing happens.

    Args:
        network: on the device of the tables; its mode is restored.
        batches: rows of the train split.
        share: what points of a batch shared in training.
    """
    momenta = {module: module.momentum for module in network.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    with evaluating(network):
        for module in momenta:
            module.reset_running_stats()
            module.momentum = None  # a cumulative mean
            module.train()
        try:
            for index_B in batches:
                network(tables.gather(torch.from_numpy(index_B), share=share))
        finally:
            for module, momentum in momenta.items():
                module.momentum = momentum
                module.eval()


def _file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.pt"
