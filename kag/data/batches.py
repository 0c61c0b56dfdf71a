"""Which points form a batch: pure functions of (data, seed, epoch). A batch is a vector of row numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kag.data.sites import Sites
from kag.errors import DataError
from kag.spec.run import DataSpec

IndexVector = NDArray[np.int64]

EVALUATION_POINTS = 2048
"""Points that are scored together: enough to share contexts, few enough for the caches."""


def training_batches(
    sites: Sites, data: DataSpec, *, seed: int, epoch: int, replay_M: IndexVector | None = None, world: int = 1
) -> list[IndexVector]:
    """Batches of one epoch over the train split, for all processes together.

    Every point appears once; in an active replay epoch the points of `replay_M` appear `data.replay.repeat` times.
    Sizes differ by at most one and do not exceed `data.batch_size`; the number of batches is a multiple of `world`.

    Args:
        replay_M: mined rows of the train split.
        world: number of processes; `shard` deals the batches out.

    Raises:
        DataError: the train split has fewer than two points for each process.
    """
    index_N = sites.index("train")
    if len(index_N) < 2 * world:
        raise DataError(
            f"the train split has {len(index_N)} points; {world} processes need 2 each", where=str(sites.path)
        )
    if data.replay is not None and replay_M is not None and data.replay.active(epoch):
        index_N = np.concatenate([index_N, np.repeat(np.unique(replay_M), data.replay.repeat - 1)])
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    order_N = random.permutation(len(index_N))
    if data.grouping == "protein":
        rank_P = random.permutation(len(sites.proteins))
        order_N = order_N[np.argsort(rank_P[sites.protein_N[index_N[order_N]]], kind="stable")]
    rounds = rounds_of(len(index_N), data.batch_size, world)
    return np.array_split(index_N[order_N], rounds * world)


def rounds_of(points: int, batch_size: int, world: int = 1) -> int:
    """Batches of each process in an epoch over so many points."""
    return -(-points // (batch_size * world))


def evaluation_batches(sites: Sites, split: str, points: int = EVALUATION_POINTS) -> list[IndexVector]:
    """Batches over a split, protein by protein: whole proteins, several together while they stay within `points`.

    Every point appears once. A protein of more than `points` points is a batch of its own.
    """
    index_N = sites.index(split)
    index_N = index_N[np.argsort(sites.protein_N[index_N], kind="stable")]
    starts = np.flatnonzero(np.diff(sites.protein_N[index_N], prepend=-1))
    cuts: list[int] = []
    begin = 0
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(index_N)], strict=True):
        if stop - begin > points and start > begin:
            cuts.append(start)
            begin = start
    return np.split(index_N, cuts)


def shard(batches: Sequence[IndexVector], rank: int, world: int, *, even: bool) -> list[IndexVector]:
    """The batches of one process; each batch goes to exactly one, none is repeated or dropped.

    Args:
        even: every process must get the same number (training); otherwise some may get one less, or none (evaluation).

    Raises:
        ValueError: `even`, and the number of batches is not a multiple of `world`.
    """
    if even and len(batches) % world:
        raise ValueError(f"{len(batches)} batches cannot be dealt evenly to {world} processes")
    return list(batches[rank::world])
