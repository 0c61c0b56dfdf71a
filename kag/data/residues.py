"""Which residues are alike: each embedding as one number, so that a table of any width is compared at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kag.data.sites import Sites

BLOCK_ROWS = 1024
"""Rows that are looked at together; they should stay in the caches."""

FIRST = 8
"""Numbers of a row that are hardly ever all 0 unless the others are."""


@dataclass(frozen=True, eq=False)
class Residues:
    """Rows of the residue table. Letter: U rows that some point uses and that are not all zero, in their order."""

    zero_R: NDArray[np.bool_]
    """Every number of the embedding is 0."""
    protein_U: NDArray[np.int32]
    number_U: NDArray[np.int32]
    """Residue number."""
    embedding_U: NDArray[np.uint64]
    """Equal embeddings have equal numbers; that two different ones have is as good as impossible."""

    @classmethod
    def of(cls, sites: Sites) -> Residues:
        """Look at each row once."""
        protein_R = np.full(sites.residues, -1, np.int32)
        protein_NK = np.broadcast_to(sites.protein_N[:, None], sites.neighbour_NK.shape)
        there_NK = sites.neighbour_NK >= 0
        protein_R[sites.neighbour_NK[there_NK]] = protein_NK[there_NK]
        protein_R[sites.centre_N] = sites.protein_N
        embedding_R, zero_R = _fingerprints(sites.residue_RD)
        used = np.flatnonzero((protein_R >= 0) & ~zero_R)
        return cls(zero_R, protein_R[used], sites.residue_number_R[used], embedding_R[used])

    def first_alike(self, key_U: NDArray[np.int32], order_U: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """For each row the first one (0 ... U-1) with the same embedding and key, which may be itself.

        Args:
            key_U: what else must be the same.
            order_U: the order in which to look; None takes the rows as they come.
        """
        order_U = np.arange(len(key_U)) if order_U is None else order_U
        both_U = self.embedding_U + key_U.astype(np.uint64) * _odd_numbers(1)
        _, first, place_U = np.unique(both_U[order_U], return_index=True, return_inverse=True)
        alike_U = np.empty_like(order_U)
        alike_U[order_U] = order_U[first[place_U]]
        return alike_U


def _fingerprints(residue_RD: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The sum of each row's bits times random odd numbers, modulo 2^64, and whether the row is all zero."""
    rows, width = residue_RD.shape
    weight_W = _odd_numbers(width if width % 2 else width // 2)
    embedding_R, zero_R = np.empty(rows, np.uint64), np.zeros(rows, bool)
    for start in range(0, rows, BLOCK_ROWS):
        block = residue_RD[start : start + BLOCK_ROWS]
        # Two numbers are one word of 64 bits, unless one is left over.
        word_BW = block.view(np.uint32).astype(np.uint64) if width % 2 else block.view(np.uint64)
        embedding_R[start : start + BLOCK_ROWS] = word_BW @ weight_W
        begins_zero = np.flatnonzero(~block[:, :FIRST].any(axis=1))
        zero_R[start + begins_zero] = ~block[begins_zero].any(axis=1)
    return embedding_R, zero_R


def _odd_numbers(count: int) -> NDArray[np.uint64]:
    random = np.random.Generator(np.random.Philox(count))
    return random.integers(0, 2**64, count, np.uint64) | np.uint64(1)
