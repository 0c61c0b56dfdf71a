"""Which points form a batch: pure functions of (data, seed, epoch). A batch is a vector of row numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kag.data.sites import Sites
from kag.errors import DataError
from kag.spec.run import DataSpec

IndexVector = NDArray[np.int64]

EVALUATION_POINTS, EVALUATION_CONTEXTS = 16384, 2048
"""Most points, and contexts, that are scored together: enough for matrix products to be fast, few enough for memory.

A product of a few hundred rows takes a fifth longer for each of them than one of thousands."""


def training_batches(
    sites: Sites, data: DataSpec, *, seed: int, epoch: int, replay_M: IndexVector | None = None, world: int = 1
) -> list[IndexVector]:
    """Batches of one epoch over the train split, for all processes together.

    Every point appears once, or with `data.points_per_residue` so many of each residue; in an active replay epoch the
    points of `replay_M` appear `data.replay.repeat` times. Sizes differ by at most one and do not exceed
    `data.batch_size`, so a protein or a residue may be cut in two; the number of batches is a multiple of `world`.

    Args:
        replay_M: mined rows of the train split.
        world: number of processes; `shard` deals the batches out.

    Raises:
        DataError: the epoch shows fewer than two points for each process.
    """
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, epoch))))
    replays = data.replay is not None and data.replay.active(epoch)
    mined_M = np.unique(replay_M) if replays and replay_M is not None else np.empty(0, np.int64)
    index_N = sites.index("train")
    if data.points_per_residue is not None:
        order_N = random.permutation(index_N)
        drawn_N = order_N[_place_in_group(sites.centre_N[order_N]) < data.points_per_residue]
        index_N = np.union1d(drawn_N, mined_M)
    if len(index_N) < 2 * world:
        shown = f"an epoch over the train split shows {len(index_N)} points"
        raise DataError(f"{shown}; {world} processes need 2 each", where=str(sites.path))
    if data.replay is not None:
        index_N = np.concatenate([index_N, np.repeat(mined_M, data.replay.repeat - 1)])
    order_N = index_N[random.permutation(len(index_N))]
    if data.grouping != "point":
        by_residue = data.grouping == "residue"
        group_N = sites.centre_N if by_residue else sites.protein_N
        rank_G = random.permutation(sites.residues if by_residue else len(sites.proteins))
        order_N = order_N[np.argsort(rank_G[group_N[order_N]], kind="stable")]
    return np.array_split(order_N, rounds_of(len(order_N), data.batch_size, world) * world)


def _place_in_group(group_N: NDArray[np.int32]) -> NDArray[np.int64]:
    """For each element how many of its group stand before it."""
    order_N = np.argsort(group_N, kind="stable")
    starts_N = np.flatnonzero(np.diff(group_N[order_N], prepend=-1))
    place_N = np.empty(len(group_N), np.int64)
    place_N[order_N] = np.arange(len(group_N)) - np.repeat(starts_N, np.diff(starts_N, append=len(group_N)))
    return place_N


def points_of_epoch(sites: Sites, data: DataSpec) -> int:
    """Points of the train split that an epoch without replay shows."""
    index_N = sites.index("train")
    if data.points_per_residue is None:
        return len(index_N)
    return int(np.minimum(np.bincount(sites.centre_N[index_N]), data.points_per_residue).sum())


def most_of_residue(sites: Sites, data: DataSpec) -> int:
    """Most points of a residue that an epoch without replay shows."""
    most = int(np.bincount(sites.centre_N[sites.index("train")], minlength=1).max())
    return most if data.points_per_residue is None else min(most, data.points_per_residue)


def rounds_of(points: int, batch_size: int, world: int = 1) -> int:
    """Batches of each process in an epoch over so many points."""
    return -(-points // (batch_size * world))


def evaluation_batches(
    sites: Sites, split: str, points: int = EVALUATION_POINTS, contexts: int = EVALUATION_CONTEXTS
) -> list[IndexVector]:
    """Batches over a split, protein by protein: whole proteins, several together while they stay within the bounds.

    Every point appears once. A protein of more than `points` points, or `contexts` contexts, is a batch of its own.
    """
    index_N = sites.index(split)
    index_N = index_N[np.argsort(sites.protein_N[index_N], kind="stable")]
    starts = np.flatnonzero(np.diff(sites.protein_N[index_N], prepend=-1))
    held_P = _contexts_of_proteins(sites, index_N)[sites.protein_N[index_N[starts]]]
    cuts: list[int] = []
    begin = held = 0
    for start, stop, more in zip(starts.tolist(), [*starts[1:].tolist(), len(index_N)], held_P.tolist(), strict=True):
        if start > begin and (stop - begin > points or held + more > contexts):
            cuts.append(start)
            begin, held = start, 0
        held += more
    return np.split(index_N, cuts)


def _contexts_of_proteins(sites: Sites, index_N: IndexVector) -> NDArray[np.int64]:
    """How many distinct contexts some points have, by protein; a context is of one protein, as its centre is."""
    protein_M = np.full(sites.contexts, -1, np.int32)
    protein_M[sites.context_N[index_N]] = sites.protein_N[index_N]
    return np.bincount(protein_M[protein_M >= 0], minlength=len(sites.proteins))


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
