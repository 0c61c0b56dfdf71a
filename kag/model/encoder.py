"""The encoder that turns one side's input into the width that the gate mixes, its normalisation and activation."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kag.model.dropout import Dropout
from kag.model.precision import widened
from kag.spec.model import ModelSpec


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm1d that, in training, normalises a single row by the running statistics.

    One row has no variance. It occurs where all points of a small batch lie on one residue and share its context.
    """

    def forward(self, input: Tensor, counted_X: Tensor | None = None) -> Tensor:
        """(rows, width) to (rows, width).

        Args:
            counted_X: bool, rows over which training normalises; None: all.
        """
        if counted_X is not None and self.training:
            return self._over(input, counted_X)
        if input.shape[0] > 1 or not self.training:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)

    def _over(self, input: Tensor, counted_X: Tensor) -> Tensor:
        """How many rows count is not known here, so that nothing waits for it."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        row_XW, counted_X1 = widened(input), counted_X.unsqueeze(1)
        count = counted_X.sum()
        mean_W = row_XW.masked_fill(~counted_X1, 0.0).sum(0) / count
        variance_W = (row_XW - mean_W).masked_fill(~counted_X1, 0.0).square().sum(0) / count
        several = count > 1
        with torch.no_grad():
            self.num_batches_tracked += several
            batches = self.num_batches_tracked.to(self.running_mean.dtype)
            rate = 1.0 / batches if self.momentum is None else self.momentum
            unbiased_W = variance_W * count / (count - 1).clamp_min(1)
            for running_W, batch_W in ((self.running_mean, mean_W), (self.running_var, unbiased_W)):
                running_W.copy_(torch.where(several, torch.lerp(running_W, batch_W, rate), running_W))
        mean_W = torch.where(several, mean_W, self.running_mean)
        variance_W = torch.where(several, variance_W, self.running_var)
        normal_XW = (row_XW - mean_W) * torch.rsqrt(variance_W + self.eps)
        return (normal_XW * self.weight + self.bias).to(input.dtype)


def normalisation(kind: Literal["batch", "layer"], width: int) -> nn.Module:
    """The normalisation that `model.norm` names."""
    return BatchNorm(width) if kind == "batch" else nn.LayerNorm(width)


def activation(kind: Literal["relu", "gelu"]) -> nn.Module:
    """The activation that `model.activation` names."""
    return nn.ReLU() if kind == "relu" else nn.GELU()


class Encoder(nn.Sequential):
    """Linear, normalisation, activation and dropout for each width in `hidden`, as the part `model` says."""

    def __init__(self, inputs: int, hidden: Sequence[int], spec: ModelSpec) -> None:
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((inputs, *hidden)):
            norm = normalisation(spec.norm, wide)
            layers += [nn.Linear(narrow, wide), norm, activation(spec.activation), Dropout(spec.dropout)]
        super().__init__(*layers)

    def forward(self, input: Tensor, counted_X: Tensor | None = None) -> Tensor:
        """(rows, `inputs`) to (rows, last width); `counted_X` as for `BatchNorm`."""
        for layer in self:
            input = layer(input, counted_X) if isinstance(layer, BatchNorm) else layer(input)
        return input
