"""The encoder that turns one side's input into the width that the gate mixes, and its normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm1d that, in training, normalises a single row by the running statistics.

    One row has no variance. It occurs where all points of a small batch lie on one residue and share its context.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(rows, width) to (rows, width)."""
        if input.shape[0] > 1 or not self.training:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


def normalisation(kind: Literal["batch", "layer"], width: int) -> nn.Module:
    """The normalisation that `model.norm` names."""
    return BatchNorm(width) if kind == "batch" else nn.LayerNorm(width)


class Encoder(nn.Sequential):
    """Linear, normalisation, ReLU and dropout for each width in `hidden`."""

    def __init__(self, inputs: int, hidden: Sequence[int], *, norm: Literal["batch", "layer"], dropout: float) -> None:
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((inputs, *hidden)):
            layers += [nn.Linear(narrow, wide), normalisation(norm, wide), nn.ReLU(), nn.Dropout(dropout)]
        super().__init__(*layers)
