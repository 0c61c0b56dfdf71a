"""`EpochBatches`: index vectors epoch by epoch, as Lightning's loop asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from kag.data.batches import IndexVector


class EpochBatches:
    """Iterates over the batches of one epoch, each an int64 tensor of row numbers, shape (B,).

    No torch `DataLoader`: there is nothing to load in workers, and nothing random is drawn. To Lightning it is its own
    sampler, whose `set_epoch` is called before every epoch.

    Args:
        batches: the batches of an epoch, a pure function of its number.
        start: epoch to begin with, and how many of its batches were done before; its length counts them all the same.
    """

    batch_sampler = None
    """Lightning asks for it wherever there is a sampler."""

    def __init__(self, batches: Callable[[int], Sequence[IndexVector]], start: tuple[int, int] = (0, 0)) -> None:
        self._batches = batches
        self._start = start
        self.set_epoch(start[0])

    @property
    def sampler(self) -> EpochBatches:
        """What chooses the epoch."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, counted from 0."""
        self._epoch = epoch
        self._of_epoch = self._batches(epoch)

    def __iter__(self) -> Iterator[Tensor]:
        first, done = self._start
        return map(torch.from_numpy, self._of_epoch[done if self._epoch == first else 0 :])

    def __len__(self) -> int:
        return len(self._of_epoch)
