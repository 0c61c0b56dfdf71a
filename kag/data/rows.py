"""Which rows of the tables a batch needs, and what its points share: found on the host, with numpy.

Shape letters: B points, C contexts, K neighbours, T = K + 1 tokens (the centre first), U rows of the residue table,
N points of the file, M its contexts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kag.data.sites import Sites
from kag.model.precision import FEWEST_ROWS
from kag.spec.run import DataSpec

Share = Literal["nothing", "contexts", "residues"]
"""`nothing`: each point has a context of its own. `contexts`: each distinct one is computed once. `residues`: beside
that, each residue is projected once, whatever contexts it is in."""

EVALUATION: Share = "residues"
"""Evaluation draws nothing at random, so that sharing is exact: shared residues change no bit, shared contexts at most
the last digit of a few logits."""


def shared_in_training(data: DataSpec) -> Share:
    """What points of a training batch share.

    Dropout is drawn once for what is computed once. Gradients are sums over rows, which round differently when rows are
    fewer: `protein` keeps a row for each token, so that its runs can be trained again bit for bit.
    """
    shares: dict[str, Share] = {"point": "nothing", "protein": "contexts", "residue": "residues"}
    return shares[data.grouping]


class BatchRows(NamedTuple):
    """Row numbers, int64."""

    index_B: Tensor
    """Points of the file."""
    context_B: Tensor
    """Row of the C axis of each point."""
    point_C: Tensor
    """A point of each context."""
    residue_U: Tensor
    """Rows of the residue table. Where residues are shared a few may be there twice, to make up `FEWEST_ROWS`."""
    token_CT: Tensor | None
    """Row of the U axis of each token; None: one after another, U = C x T."""
    counted_C: Tensor | None = None
    """bool: contexts that points have; the others make up a size that comes again. None: all have points."""

    def each(self, change: Callable[[Tensor], Tensor]) -> BatchRows:
        """The same rows, each tensor changed in one way, as by a move to a device."""
        return BatchRows._make(None if tensor is None else change(tensor) for tensor in self)


@dataclass(frozen=True, eq=False)
class RowLookup:
    """Where points find their residues."""

    centre_N: NDArray[np.int32]
    neighbour_NK: NDArray[np.int32]
    distance_NK: NDArray[np.float32]
    context_N: NDArray[np.int32]
    representative_M: NDArray[np.int64]
    """A point of each context."""
    max_distance: float
    """Angstrom."""

    @classmethod
    def of(cls, sites: Sites, max_distance: float) -> RowLookup:
        """The arrays of the data, without a copy."""
        representative_M = np.empty(sites.contexts, np.int64)
        representative_M[sites.context_N[::-1]] = np.arange(sites.points)[::-1]
        arrays = (sites.centre_N, sites.neighbour_NK, sites.distance_NK, sites.context_N)
        return cls(*arrays, representative_M, max_distance)

    def rows(self, index_B: NDArray[np.int64], share: Share, *, padded: bool = False) -> BatchRows:
        """Rows of a batch.

        Args:
            padded: make up contexts and residues to sizes that come again, so that what is compiled for a shape serves
                many batches. What is added is there twice, and no point has it.
        """
        if share == "nothing":
            point_C, context_B = index_B, np.arange(len(index_B))
        else:
            distinct_C, context_B = np.unique(self.context_N[index_B], return_inverse=True)
            point_C = self.representative_M[distinct_C]
        counted_C = None
        if padded and share != "nothing":
            counted_C = torch.arange(recurring(len(point_C))) < len(point_C)
            point_C = np.resize(point_C, len(counted_C))
        centre_C1, neighbour_CK = self.centre_N[point_C, None], self.neighbour_NK[point_C]
        if share == "residues":
            # Nothing reads the token of a masked neighbour: the centre's row stands there and costs nothing.
            masked_CK = (neighbour_CK < 0) | (self.distance_NK[point_C] > self.max_distance)
            neighbour_CK = np.where(masked_CK, centre_C1, neighbour_CK)
        residue_CT = np.concatenate([centre_C1, neighbour_CK.clip(min=0)], 1).astype(np.int64)
        residue_U, token_CT = residue_CT.reshape(-1), None
        if share == "residues":
            residue_U, place_U = np.unique(residue_CT, return_inverse=True)
            token_CT = torch.from_numpy(place_U.reshape(residue_CT.shape))
            fewest = max(len(residue_U), min(FEWEST_ROWS, residue_CT.size))
            residue_U = np.resize(residue_U, recurring(fewest) if padded else fewest)
        return BatchRows(
            index_B=torch.from_numpy(index_B),
            context_B=torch.from_numpy(context_B.reshape(-1)),
            point_C=torch.from_numpy(point_C),
            residue_U=torch.from_numpy(residue_U),
            token_CT=token_CT,
            counted_C=counted_C,
        )


def recurring(rows: int) -> int:
    """The next size to which rows are padded: four of them between a power of two and the next.

    So at most a quarter of the rows is added (below 64, up to a multiple of `FEWEST_ROWS`), and batches of one kind
    have one or two sizes.
    """
    step = max(FEWEST_ROWS, 1 << max((rows - 1).bit_length() - 3, 0))
    return -(-rows // step) * step
