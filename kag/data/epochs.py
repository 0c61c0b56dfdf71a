"""`EpochBatches`: batches of row numbers epoch by epoch, as Lightning's loop asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from kag.data.batches import IndexVector
from kag.data.rows import BatchRows


class EpochBatches:
    """Iterates over the batches of one epoch.

    No torch `DataLoader`: there is nothing to load in workers, and nothing random is drawn. To Lightning it is its own
    sampler, whose `set_epoch` is called before every epoch.

    Args:
        batches: points of each batch of an epoch, a pure function of its number.
        rows: which rows of the tables a batch needs, asked for when it is its turn.
        start: epoch to begin with, and how many of its batches were done before; its length counts them all the same.
    """

    batch_sampler = None
    """Lightning asks for it wherever there is a sampler."""

    def __init__(
        self,
        batches: Callable[[int], Sequence[IndexVector]],
        rows: Callable[[IndexVector], BatchRows],
        start: tuple[int, int] = (0, 0),
    ) -> None:
        self._batches = batches
        self._rows = rows
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

    def __iter__(self) -> Iterator[BatchRows]:
        first, done = self._start
        return map(self._rows, self._of_epoch[done if self._epoch == first else 0 :])

    def __len__(self) -> int:
        return len(self._of_epoch)
