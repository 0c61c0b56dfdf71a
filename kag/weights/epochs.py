"""`EpochWeights`: the weights at the ends of a run's epochs, and their mean over any window.

A run that keeps them has a snapshot for each epoch, `epoch_9.ckpt`: a checkpoint like any other, in the precision that
was trained. Runs of before hold running sums instead, and those that went on since hold both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kag.errors import CheckpointError
from kag.track.atomic import storing
from kag.track.folder import RunFolder
from kag.weights.average import plain_mean
from kag.weights.checkpoint import State, parameter_names, read_checkpoint, state_differences
from kag.weights.sums import RunSums, files_of_sums

KEEP = "train with swa.keep_sums=true, which keeps the weights of every epoch"
"""What to do where they are missing."""


def drop_epochs(folder: RunFolder, first: int) -> None:
    """Remove what is kept of the ends of epochs from `first` on: a future that is about to be trained again.

    Raises:
        StorageError: the folder takes no change.
    """
    kept = [*folder.snapshots().items(), *files_of_sums(folder.sums).items()]
    with storing(folder.checkpoints):
        for epoch, path in kept:
            if epoch >= first:
                path.unlink(missing_ok=True)


class EpochWeights:
    """What a run kept of the ends of its epochs; each snapshot is read, and compared with its digest, when it is used.

    Raises:
        CheckpointError: nothing is kept, an epoch is missing between others, or sums cannot be read.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._files, self._sums = folder.snapshots(), RunSums(folder.sums)
        self._states: dict[int, State] = {}
        self._parameters: frozenset[str] | None = None
        epochs = {*self._files, *self._sums.epochs}
        if not epochs:
            raise CheckpointError(
                "no weights of single epochs are kept",
                where=str(folder.checkpoints),
                remedy=KEEP,
            )
        self.first, self.last = min(epochs), max(epochs)
        if gap := [epoch for epoch in range(self.first, self.last) if epoch not in epochs]:
            raise CheckpointError(
                f"of epochs {self.first} to {self.last}, these are missing: {', '.join(map(str, gap))}",
                where=str(folder.checkpoints),
            )

    def mean(self, start: int, length: int) -> State:
        """Mean of the weights at the ends of epochs `start` ... `start + length - 1`; of one epoch these, bit for bit.

        Parameters are the mean, added up in float64 from the first epoch on and rounded once; buffers are those of the
        window's last epoch.

        Raises:
            CheckpointError: the window is empty or not covered, or a snapshot is missing, damaged, not that of its
                epoch, or of another network than the others.
        """
        self.require_covered(start, length)
        window = range(start, start + length)
        summed = [epoch for epoch in window if epoch in self._sums.epochs]
        states = [self._state(epoch) for epoch in window if epoch not in self._sums.epochs]
        self._require_alike(states)
        last = self._sums.buffers(window[-1]) if window[-1] in self._sums.epochs else states[-1]
        found: State = {}
        for name in self._names():
            parts = [state[name] for state in states]
            form = parts[0].dtype if parts else torch.float32
            if summed:
                parts.insert(0, self._sums.over(name, range(summed[0], summed[-1] + 1)))
            found[name] = plain_mean(parts, length).to(form)
        return {name: value.clone() for name, value in last.items()} | found

    def require_covered(self, start: int, length: int) -> None:
        """Refuse a window of which an epoch is not kept.

        Raises:
            CheckpointError: names the epochs that are.
        """
        if not (length >= 1 and self.first <= start and start + length - 1 <= self.last):
            raise CheckpointError(
                f"window {start}:{length} is not covered by the stored epochs",
                where=str(self.folder.checkpoints),
                nearest=f"epochs {self.first} to {self.last} are stored",
            )

    def _state(self, epoch: int) -> State:
        """A snapshot; its numbers stay on the disk until they are used."""
        if epoch not in self._states:
            path = self._files[epoch]
            weights = read_checkpoint(path)
            if weights.epoch != epoch:
                raise CheckpointError(f"holds epoch {weights.epoch}, not {epoch}", where=str(path))
            self._states[epoch] = weights.network
            self._parameters = self._parameters or parameter_names(weights)
        return self._states[epoch]

    def _names(self) -> frozenset[str]:
        return self._parameters or self._sums.parameters()

    def _require_alike(self, states: Sequence[State]) -> None:
        for other in states[1:]:
            if found := state_differences(states[0], other):
                what = "the weights of these epochs cannot be averaged:"
                raise CheckpointError("\n".join([what, *found]), where=str(self.folder.checkpoints))
