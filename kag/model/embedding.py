"""What residue embeddings go through before anything of the model sees them.

Shape letters: U residues, R rows of the residue table, D embedding.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kag.model.tabular import moments


class EmbeddingNorm(nn.Module):
    """As stored; by mean and deviation of the train split, which live in the checkpoint; or LayerNorm."""

    mean_D: Tensor
    std_D: Tensor

    def __init__(self, kind: Literal["none", "train", "layer"], embedding: int) -> None:
        super().__init__()
        self.kind = kind
        self.layer = nn.LayerNorm(embedding) if kind == "layer" else None
        if kind == "train":
            self.register_buffer("mean_D", torch.zeros(embedding))
            self.register_buffer("std_D", torch.ones(embedding))

    @torch.no_grad()
    def set_statistics(self, mean_D: Tensor, std_D: Tensor) -> None:
        """Take the train split's statistics, once, before training."""
        self.mean_D.copy_(mean_D)
        self.std_D.copy_(std_D)

    def forward(self, residue_UD: Tensor) -> Tensor:
        """(U, D) to (U, D)."""
        if self.layer is not None:
            normal_UD: Tensor = self.layer(residue_UD)
            return normal_UD
        return (residue_UD - self.mean_D) / self.std_D if self.kind == "train" else residue_UD


def embedding_statistics(residue_RD: NDArray[np.floating[Any]], row_M: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) of some rows, for `EmbeddingNorm.set_statistics`; a constant number gets 1."""
    return moments(residue_RD, row_M, lambda value_BD: value_BD)
