"""Running sums of epoch weights, as runs kept them before they kept the weights themselves: read, never written.

One file an epoch holds the float64 sum of each parameter over all epochs so far, so that the sum over a window is a
difference of two files. `kag.weights.epochs` takes means of these and of snapshots alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kag.errors import CheckpointError
from kag.weights.checkpoint import State
from kag.weights.storage import load_torch

FORMAT = "kag-sums"
VERSION = 1

_FILE = re.compile(r"epoch_(\d{4,})\.pt")


@dataclass(frozen=True, eq=False)
class Sums:
    """What one file holds: the end of one epoch."""

    first: int
    """First epoch in the sums, counted from 0."""
    sums: State
    """float64 sum of each parameter over the ends of epochs `first` ... the file's own."""
    buffers: State
    """Everything else in the network (normalisation statistics, schedules, counters) at the end of the file's epoch."""


def files_of_sums(folder: Path) -> dict[int, Path]:
    """Files by epoch, ascending; empty if there is no such folder."""
    if not folder.is_dir():
        return {}
    return dict(sorted((int(match[1]), path) for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))))


def read_sums(path: Path, epoch: int) -> Sums:
    """The sums up to an epoch; the numbers stay on the disk until they are used.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of sums.
    """
    content = load_torch(path, mmap=True)
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise CheckpointError("not a file of running sums that this kag reads", where=str(path))
    if content.get("epoch") != epoch or not {"first", "sums", "buffers"} <= content.keys():
        raise CheckpointError(f"does not hold the sums up to epoch {epoch}", where=str(path))
    return Sums(content["first"], content["sums"], content["buffers"])


class RunSums:
    """All stored sums of a run, opened once; there may be none.

    Raises:
        CheckpointError: the sums do not begin with the same epoch, one is missing, or as `read_sums`.
    """

    def __init__(self, folder: Path) -> None:
        files = files_of_sums(folder)
        self.epochs = range(min(files), max(files) + 1) if files else range(0)
        if gap := next((epoch for epoch in self.epochs if epoch not in files), None):
            raise CheckpointError(f"the sums up to epoch {gap} are missing", where=str(folder))
        self._sums = {epoch: read_sums(path, epoch) for epoch, path in files.items()}
        if any(each.first != self.epochs.start for each in self._sums.values()):
            raise CheckpointError("these sums do not begin with the same epoch", where=str(folder))

    def parameters(self) -> frozenset[str]:
        """Names of what is summed."""
        return frozenset(self._sums[self.epochs.start].sums)

    def over(self, name: str, epochs: range) -> Tensor:
        """float64 sum of a parameter over stored epochs, one or more."""
        after, before = self._sums[epochs[-1]].sums[name], self._sums.get(epochs[0] - 1)
        return after - before.sums[name] if before else after

    def buffers(self, epoch: int) -> State:
        """What was not summed, at the end of a stored epoch."""
        return self._sums[epoch].buffers
