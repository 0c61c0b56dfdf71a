"""`SiteTables`: the arrays as torch tensors on one device, and the gather of a batch."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kag.data.sites import Sites
from kag.model.batch import Batch
from kag.model.tabular import tabular_statistics


class SiteTables(NamedTuple):
    """Tensors that batches are gathered from. On the CPU they share memory with the arrays of `Sites`."""

    tabular_NF: Tensor
    label_N: Tensor
    centre_N: Tensor
    neighbour_NK: Tensor
    distance_NK: Tensor
    residue_RD: Tensor
    context_N: Tensor
    representative_M: Tensor
    """int64, one point of each context."""
    max_distance: float
    """Angstrom; farther or missing neighbours are masked and count as this far."""

    @classmethod
    def from_sites(cls, sites: Sites, max_distance: float) -> SiteTables:
        """Wrap the arrays without a copy."""
        representative_M = np.empty(sites.contexts, np.int64)
        representative_M[sites.context_N[::-1]] = np.arange(sites.points)[::-1]
        return cls(
            tabular_NF=_shared(sites.tabular_NF),
            label_N=_shared(sites.label_N),
            centre_N=_shared(sites.centre_N),
            neighbour_NK=_shared(sites.neighbour_NK),
            distance_NK=_shared(sites.distance_NK),
            residue_RD=_shared(sites.residue_RD),
            context_N=_shared(sites.context_N),
            representative_M=torch.from_numpy(representative_M),
            max_distance=max_distance,
        )

    def to(self, device: torch.device | str) -> SiteTables:
        """The same tables on a device."""
        return SiteTables._make(item.to(device) if isinstance(item, Tensor) else item for item in self)

    def gather(self, index_B: Tensor, *, share: bool) -> Batch:
        """Everything that the network needs for some points, on the device of the tables.

        Args:
            index_B: int64, rows of the points.
            share: compute each distinct context once (C <= B); otherwise C = B.
        """
        index_B = index_B.to(self.residue_RD.device)
        if share:
            distinct_C, context_B = torch.unique(self.context_N[index_B], return_inverse=True)
            point_C = self.representative_M[distinct_C.long()]
        else:
            point_C, context_B = index_B, torch.arange(len(index_B), device=index_B.device)
        neighbour_CK = self.neighbour_NK[point_C].long()
        distance_CK = self.distance_NK[point_C]
        valid_CK = (neighbour_CK >= 0) & (distance_CK <= self.max_distance)
        neighbour_CKD = self.residue_RD[neighbour_CK.clamp(min=0)]
        return Batch(
            tabular_BF=self.tabular_NF[index_B],
            label_B=self.label_N[index_B].float(),
            context_B=context_B,
            centre_CD=self.residue_RD[self.centre_N[point_C].long()],
            neighbour_CKD=neighbour_CKD.masked_fill_(~valid_CK.unsqueeze(-1), 0.0),
            distance_CK=distance_CK.masked_fill_(~valid_CK, self.max_distance),
            valid_CK=valid_CK,
            index_B=index_B,
        )


def train_statistics(sites: Sites) -> tuple[Tensor, Tensor]:
    """Mean and deviation (F,) of the signed log of each tabular column over the train split."""
    if sites.prepared is not None and sites.prepared.mean_F is not None:
        return torch.tensor(sites.prepared.mean_F), torch.tensor(sites.prepared.std_F)
    return tabular_statistics(sites.tabular_NF, sites.index("train"))


def _shared(array: NDArray[Any]) -> Tensor:
    """A tensor in the memory of an array. Torch warns of one that is read-only; nothing writes into tables."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(array)
