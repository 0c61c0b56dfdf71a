"""`Sites`: all points of an HDF5 file as plain arrays.

Shape letters: N points, F tabular columns, K neighbours, R residues, D embedding, P proteins, M contexts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kag.errors import DataError
from kag.names import SPLITS


@dataclass(frozen=True, eq=False)
class Sites:
    """Points on protein surfaces, the residues that they lie on, and the neighbours of these. Hashed by identity."""

    tabular_NF: NDArray[np.float32]
    """Tabular columns as in the file: unscaled."""
    label_N: NDArray[np.uint8]
    """1 for a point next to a ligand, else 0."""
    centre_N: NDArray[np.int32]
    """Row of the residue table that each point lies on."""
    neighbour_NK: NDArray[np.int32]
    """Rows of the residue table; -1 is missing."""
    distance_NK: NDArray[np.float32]
    """Angstrom from centre to neighbour, unclamped; inf where the neighbour is missing."""
    protein_N: NDArray[np.int32]
    """Index into `proteins`."""
    split_N: NDArray[np.int8]
    """0 train, 1 val, 2 test."""
    residue_RD: NDArray[np.float32]
    """Embedding of every residue."""
    residue_number_R: NDArray[np.int32]
    """Residue number of every row of the residue table, as in the file."""
    context_N: NDArray[np.int32]
    """Which distinct (centre, neighbours, distances) a point belongs to: 0 ... M-1."""
    proteins: tuple[str, ...]
    """Keys of the proteins that have points, sorted."""
    features: tuple[str, ...] | None
    """Names of the tabular columns; None if the file has none."""
    path: Path
    """Where the file was."""
    digest: str
    """SHA-256 of what training depends on; compression, chunks and path do not change it."""

    def index(self, split: str) -> NDArray[np.int64]:
        """Rows of the points of `train`, `val` or `test`, ascending.

        Raises:
            DataError: there is no such split.
        """
        if split not in SPLITS:
            raise DataError(f"there is no split `{split}`", nearest=", ".join(SPLITS))
        return np.flatnonzero(self.split_N == SPLITS.index(split))

    def prevalence(self, split: str) -> float:
        """Share of positive points of a split."""
        return float(self.label_N[self.index(split)].mean())

    @property
    def points(self) -> int:
        """N."""
        return len(self.label_N)

    @property
    def columns(self) -> int:
        """F."""
        return int(self.tabular_NF.shape[1])

    @property
    def neighbours(self) -> int:
        """K."""
        return int(self.neighbour_NK.shape[1])

    @property
    def residues(self) -> int:
        """R."""
        return len(self.residue_RD)

    @property
    def embedding(self) -> int:
        """D."""
        return int(self.residue_RD.shape[1])

    @property
    def contexts(self) -> int:
        """M."""
        return int(self.context_N.max()) + 1


@dataclass(frozen=True)
class DataFacts:
    """What a network must know of its data, and which data it was trained on."""

    features: int
    """Tabular columns."""
    embedding: int
    """Width of a residue embedding."""
    neighbours: int
    """Neighbours of a centre residue."""
    max_distance: float
    """Angstrom."""
    data_digest: str
    columns: tuple[str, ...] | None = None
    """Names of the tabular columns; None if the file, or the checkpoint that states these facts, has none."""

    @classmethod
    def of(cls, sites: Sites, max_distance: float) -> DataFacts:
        """The facts of some data, of whose neighbours those within `max_distance` (angstrom) are used."""
        return cls(sites.columns, sites.embedding, sites.neighbours, max_distance, sites.digest, sites.features)


def contexts(
    centre_N: NDArray[np.int32], neighbour_NK: NDArray[np.int32], distance_NK: NDArray[np.float32]
) -> NDArray[np.int32]:
    """Number of the distinct (centre, neighbours, distances) of each point, 0 ... M-1.

    Where the neighbours are a function of the centre alone, as the layout has it, that is one context per centre.
    """
    _, first_C, context_N = np.unique(centre_N, return_index=True, return_inverse=True)
    first_N = first_C[context_N]
    same_neighbours = np.array_equal(neighbour_NK, neighbour_NK[first_N])
    if not (same_neighbours and np.array_equal(distance_NK, distance_NK[first_N])):
        triple_NX = np.concatenate([centre_N[:, None], neighbour_NK, distance_NK.view(np.int32)], axis=1)
        _, context_N = np.unique(triple_NX, axis=0, return_inverse=True)
    return context_N.reshape(-1).astype(np.int32)


def content_digest(arrays: Iterable[NDArray[np.generic]], proteins: tuple[str, ...]) -> str:
    """SHA-256 over type, shape and bytes of each array, and over the protein keys."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.newbyteorder('<').str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    digest.update("\n".join(proteins).encode())
    return digest.hexdigest()
