"""`EpochBatches`: batches of row numbers epoch by epoch, as Lightning's loop asks for them, each found a step ahead."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from torch import Tensor

from kag.data.batches import IndexVector
from kag.data.rows import BatchRows


class EpochBatches:
    """Iterates over the batches of one epoch.

    No torch `DataLoader`: there is nothing to load in workers, and nothing random is drawn. To Lightning it is its own
    sampler, whose `set_epoch` is called before every epoch.

    Args:
        batches: points of each batch of an epoch, a pure function of its number.
        rows: which rows of the tables a batch needs, asked in a thread while the batch before it is trained on.
        start: epoch to begin with, and how many of its batches were done before; its length counts them all the same.
        pinned: put the rows where a GPU can fetch them by itself.
    """

    batch_sampler = None
    """Lightning asks for it wherever there is a sampler."""

    def __init__(
        self,
        batches: Callable[[int], Sequence[IndexVector]],
        rows: Callable[[IndexVector], BatchRows],
        start: tuple[int, int] = (0, 0),
        *,
        pinned: bool = False,
    ) -> None:
        self._batches = batches
        self._rows = rows
        self._pinned = pinned
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
        return self._a_step_ahead(self._of_epoch[done if self._epoch == first else 0 :])

    def _a_step_ahead(self, batches: Sequence[IndexVector]) -> Generator[BatchRows]:
        """In order; the thread ends with the iteration, however that ends."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
            following: Future[BatchRows] | None = None
            for batch in batches:
                ready, following = following, thread.submit(self._found, batch)
                if ready is not None:
                    yield ready.result()
            if following is not None:
                yield following.result()

    def _found(self, batch: IndexVector) -> BatchRows:
        rows = self._rows(batch)
        return rows.each(Tensor.pin_memory) if self._pinned else rows

    def __len__(self) -> int:
        return len(self._of_epoch)
