"""`SiteTables`: the arrays as torch tensors on one device, and the gather of a batch."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kag.data.rows import BatchRows, RowLookup, Share
from kag.data.sites import Sites
from kag.model.batch import Batch
from kag.model.embedding import embedding_statistics
from kag.model.tabular import tabular_statistics


class SiteTables(NamedTuple):
    """Tensors that batches are gathered from. On the CPU they share memory with the arrays of `Sites`."""

    tabular_NF: Tensor
    label_N: Tensor
    neighbour_NK: Tensor
    distance_NK: Tensor
    residue_RD: Tensor
    """May stay on the host, in another number format than on the device."""
    lookup: RowLookup
    """On the host, wherever the tensors are: which rows a batch needs is found before it is on the device."""
    max_distance: float
    """Angstrom; farther or missing neighbours are masked and count as this far."""

    @classmethod
    def from_sites(cls, sites: Sites, max_distance: float) -> SiteTables:
        """Wrap the arrays without a copy."""
        return cls(
            tabular_NF=_shared(sites.tabular_NF),
            label_N=_shared(sites.label_N),
            neighbour_NK=_shared(sites.neighbour_NK),
            distance_NK=_shared(sites.distance_NK),
            residue_RD=_shared(sites.residue_RD),
            lookup=RowLookup.of(sites, max_distance),
            max_distance=max_distance,
        )

    def to(self, device: torch.device | str, residues: torch.dtype | None = None) -> SiteTables:
        """The same tables on a device.

        Args:
            residues: number format of the embeddings there; None: as they are.
        """
        rounded = self if residues is None else self._replace(residue_RD=self.residue_RD.to(residues))
        return SiteTables._make(item.to(device) if isinstance(item, Tensor) else item for item in rounded)

    def gather(self, index_B: Tensor, *, share: Share) -> Batch:
        """Everything that the network needs for some points, on the device of the tables.

        Args:
            index_B: int64, rows of the points, on the CPU.
            share: what is computed once for all points that have it in common.
        """
        return self.collect(self.lookup.rows(index_B.numpy(), share))

    def collect(self, rows: BatchRows) -> Batch:
        """The same where the rows are known, on the host; it waits for no value of the device."""
        device = self.label_N.device
        here = rows.each(lambda tensor: tensor.to(device, non_blocking=True))
        index_B, context_B, point_C, residue_U, token_CT, counted_C = here
        distance_CK = self.distance_NK[point_C]
        valid_CK = (self.neighbour_NK[point_C] >= 0) & (distance_CK <= self.max_distance)
        lies_here = self.residue_RD.device == device
        residue_UD = self.residue_RD[residue_U if lies_here else rows.residue_U].to(device, non_blocking=True)
        if token_CT is None:
            seen_CT = torch.nn.functional.pad(valid_CK, (1, 0), value=True)
            residue_UD.masked_fill_(~seen_CT.reshape(-1, 1), 0.0)
        return Batch(
            tabular_BF=self.tabular_NF[index_B],
            label_B=self.label_N[index_B].float(),
            context_B=context_B,
            residue_UD=residue_UD,
            token_CT=token_CT,
            distance_CK=distance_CK.masked_fill_(~valid_CK, self.max_distance),
            valid_CK=valid_CK,
            index_B=index_B,
            counted_C=counted_C,
        )


def train_statistics(sites: Sites) -> tuple[Tensor, Tensor]:
    """Mean and deviation (F,) of the signed log of each tabular column over the train split."""
    if sites.prepared is not None and sites.prepared.mean_F is not None:
        return torch.tensor(sites.prepared.mean_F), torch.tensor(sites.prepared.std_F)
    return tabular_statistics(sites.tabular_NF, sites.index("train"))


def train_embedding_statistics(sites: Sites) -> tuple[Tensor, Tensor]:
    """Mean and deviation (D,) of the embeddings of residues on which points of the train split lie, each once."""
    return embedding_statistics(sites.residue_RD, np.unique(sites.centre_N[sites.index("train")]).astype(np.int64))


def _shared(array: NDArray[Any]) -> Tensor:
    """A tensor in the memory of an array. Torch warns of one that is read-only; nothing writes into tables."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)
