"""`Sites`: all points of an HDF5 file as plain arrays.

Shape letters: N points, F tabular columns, K neighbours, R residues, D embedding, P proteins, M contexts,
G proteins of some of the points.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kag.errors import DataError
from kag.names import ALL, SPLITS, Part
from kag.stats.scores import clustered

if TYPE_CHECKING:
    from kag.data.facts import EmbeddingFacts
    from kag.finding import Finding


class Purpose(StrEnum):
    """What data are read for."""

    TRAINING = "training"
    """Labels, and every split has points of both classes."""
    EVALUATION = "evaluation"
    """Labels; any of the splits, or none: an external benchmark."""
    PREDICTION = "prediction"
    """Labels need not be there and are not used."""


class Prepared(NamedTuple):
    """What follows from the arrays alone, and was worked out when they were read for the first time."""

    findings: tuple[Finding, ...]
    """What is odd about the data: `kag.data.soundness`."""
    embedded: EmbeddingFacts | None = None
    """Of the train split; None where the file has none, as the next two."""
    mean_F: Sequence[float] | None = None
    """Of the signed log of each tabular column over the train split."""
    std_F: Sequence[float] | None = None


class Allocate(Protocol):
    """Makes the arrays that a file is read into."""

    def reserve(self, size: int) -> None:
        """Told the bytes of all of them, about, before the first one."""

    def allocate(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """An array that is written once, and whole."""


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
    """0 train, 1 val, 2 test; -1 where the file has no splits."""
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
    labelled: bool = True
    """Whether the labels may be used; if not, `label_N` means nothing."""
    embedding_stated: tuple[tuple[str, str], ...] = ()
    """What the file says of its embeddings: attribute and text."""
    unchecked: tuple[str, ...] = ()
    """What the file holds twice and was not compared, a sentence each."""
    cluster_P: NDArray[np.int64] | None = None
    """Which proteins belong together, as `kag.stats.scores.clustered` numbers them; None if each is on its own."""
    prepared: Prepared | None = field(default=None, init=False)
    """There if the arrays lie in a file that processes share (`kag.data.opened`); `replace` lets go of it."""

    def with_prepared(self, prepared: Prepared | None) -> Sites:
        """The same data, of which this is known."""
        known = replace(self)
        object.__setattr__(known, "prepared", prepared)
        return known

    def with_clusters(self, cluster_P: NDArray[np.int64] | None) -> Sites:
        """The same data, of which other proteins belong together; what is prepared does not depend on that."""
        return replace(self, cluster_P=cluster_P).with_prepared(self.prepared)

    def index(self, split: str) -> NDArray[np.int64]:
        """Rows of the points of `train`, `val` or `test`, or of `all`, ascending.

        Raises:
            DataError: there is no such split.
        """
        if split == ALL:
            return np.arange(self.points)
        if split not in SPLITS:
            raise DataError(f"there is no split `{split}`", nearest=", ".join((*SPLITS, ALL)))
        return np.flatnonzero(self.split_N == SPLITS.index(split))

    def clusters(self, index_N: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The cluster of each protein, (G), that the points of some rows have; None if each of these is on its own.

        They are numbered anew, so that they are the same whatever other proteins belong to them.
        """
        return None if self.cluster_P is None else clustered(self.cluster_P[np.unique(self.protein_N[index_N])])

    @property
    def parts(self) -> tuple[Part, ...]:
        """The splits that have points; `all` where the file has no splits."""
        return tuple(split for code, split in enumerate(SPLITS) if (self.split_N == code).any()) or (ALL,)

    @property
    def purpose(self) -> Purpose:
        """The most that the data can be used for."""
        if not self.labelled:
            return Purpose.PREDICTION
        return Purpose.TRAINING if self.parts == SPLITS else Purpose.EVALUATION

    def prevalence(self, split: str) -> float:
        """Share of positive points of a split."""
        return float(self.label_N[self.index(split)].mean())

    @property
    def bytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))

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
