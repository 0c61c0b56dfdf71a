"""A torch `DataLoader` over index vectors, which are drawn in the process itself: there is nothing to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from kag.data.batches import IndexVector


class EpochSampler(Sampler[IndexVector]):
    """Yields the batches of one epoch. `set_epoch` chooses it, as Lightning does before every epoch.

    Args:
        batches: the batches of an epoch, a pure function of its number.
        start: epoch to begin with, and how many of its batches were done before; its length counts them all the same.
    """

    def __init__(self, batches: Callable[[int], Sequence[IndexVector]], start: tuple[int, int] = (0, 0)) -> None:
        self._batches = batches
        self._start = start
        self.set_epoch(start[0])

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, counted from 0."""
        self._epoch = epoch
        self._of_epoch = self._batches(epoch)

    def __iter__(self) -> Iterator[IndexVector]:
        first, done = self._start
        return iter(self._of_epoch[done if self._epoch == first else 0 :])

    def __len__(self) -> int:
        return len(self._of_epoch)


class _Indices(Dataset[Tensor]):
    """Hands an index vector on as a tensor."""

    def __getitem__(self, index_B: IndexVector) -> Tensor:
        return torch.from_numpy(index_B)


def index_loader(
    batches: Callable[[int], Sequence[IndexVector]], *, start: tuple[int, int] = (0, 0)
) -> DataLoader[Tensor]:
    """A loader of int64 index vectors, shape (B,). Its `sampler` is an `EpochSampler`.

    It draws from a generator of its own: iterating it leaves torch's global random state as it was.
    """
    return DataLoader(
        _Indices(),
        batch_size=None,
        sampler=EpochSampler(batches, start),
        generator=torch.Generator(),
    )
