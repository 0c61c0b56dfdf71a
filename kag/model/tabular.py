"""Tabular columns: from the numbers of the file to the input of the tabular encoder.

Columns are unscaled and skewed, so each gets a signed log, then zero mean and unit deviation of the train split, and,
if the spec asks for it, a learned periodic embedding.
Shape letters: N rows, B points, F columns, M frequencies, E numbers that each column becomes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kag.errors import DataError
from kag.spec.model import PeriodicSpec

STATISTICS_ROWS = 2048
"""Rows whose statistics are taken together: their logarithms stay in the caches."""


def signed_log(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|), element by element: odd, monotone, near x for small x."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def tabular_statistics(
    tabular_NF: NDArray[np.floating[Any]], row_M: NDArray[np.int64] | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column's signed log, for `TabularInput.set_statistics`.

    Computed in float64, returned in float32, and by numpy: with any number of threads they are the same. Nothing of the
    size of all rows is made. A constant column gets deviation 1, so that it becomes zero.

    Args:
        tabular_NF: columns as in the file.
        row_M: the rows that count; None takes all of them.

    Source of how the moments of blocks are joined: Chan, Golub, LeVeque 1979, Stanford STAN-CS-79-773.
    """
    row_M = np.arange(len(tabular_NF)) if row_M is None else row_M
    return moments(tabular_NF, row_M, lambda value_BF: np.copysign(np.log1p(np.abs(value_BF)), value_BF))


def moments(
    value_NF: NDArray[np.floating[Any]],
    row_M: NDArray[np.int64],
    of_B: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (F,) over some rows of what a function makes of them, as `tabular_statistics`."""
    mean_F, squares_F = np.zeros(value_NF.shape[1]), np.zeros(value_NF.shape[1])
    for begin in range(0, len(row_M), STATISTICS_ROWS):
        made_BF = of_B(value_NF[row_M[begin : begin + STATISTICS_ROWS]].astype(np.float64))
        apart_F, share = made_BF.mean(0) - mean_F, len(made_BF) / (begin + len(made_BF))
        mean_F += apart_F * share
        squares_F += made_BF.var(0) * len(made_BF) + apart_F**2 * begin * share
    std_F = np.sqrt(squares_F / len(row_M))
    # A constant column keeps rounding noise of about 1e-16 of its mean, which must not be blown up to unit deviation.
    std_F[std_F <= 1e-6 * (1.0 + np.abs(mean_F))] = 1.0
    return torch.from_numpy(mean_F).float(), torch.from_numpy(std_F).float()


class PeriodicEmbedding(nn.Module):
    """v -> ReLU(A [sin(2 pi c v), cos(2 pi c v)] + b), with frequencies c, A and b of each column's own.

    Gorishniy et al. 2022, arXiv 2203.05556.
    """

    def __init__(self, spec: PeriodicSpec, columns: int) -> None:
        super().__init__()
        self.frequency_FM = nn.Parameter(torch.randn(columns, spec.frequencies) * spec.sigma)
        bound = 1.0 / math.sqrt(2 * spec.frequencies)
        self.weight_FME = nn.Parameter(torch.empty(columns, 2 * spec.frequencies, spec.width).uniform_(-bound, bound))
        self.bias_FE = nn.Parameter(torch.empty(columns, spec.width).uniform_(-bound, bound))

    def forward(self, value_BF: Tensor) -> Tensor:
        """Standardised columns (B, F) to (B, F x E)."""
        phase_BFM = 2.0 * math.pi * value_BF.unsqueeze(-1) * self.frequency_FM
        wave_FBM = torch.cat([phase_BFM.sin(), phase_BFM.cos()], -1).transpose(0, 1)
        embedded_BFE = torch.bmm(wave_FBM, self.weight_FME).transpose(0, 1) + self.bias_FE
        return torch.relu(embedded_BFE).flatten(1)


class TabularInput(nn.Module):
    """Signed log, standardisation by statistics that live in the checkpoint, optional periodic embedding."""

    mean_F: Tensor
    std_F: Tensor

    def __init__(self, spec: PeriodicSpec | None, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean_F", torch.zeros(columns))
        self.register_buffer("std_F", torch.ones(columns))
        self.periodic = PeriodicEmbedding(spec, columns) if spec else None
        self.width = columns * spec.width if spec else columns

    @torch.no_grad()
    def set_statistics(self, mean_F: Tensor, std_F: Tensor) -> None:
        """Take the train split's statistics of the signed log, once, before training.

        Raises:
            DataError: another number of columns, a value that is not finite, or a deviation that is not positive.
        """
        columns = self.mean_F.shape
        if mean_F.shape != columns or std_F.shape != columns:
            raise DataError(
                f"statistics of {tuple(mean_F.shape)} and {tuple(std_F.shape)} columns for a model of {tuple(columns)}"
            )
        wrong_F = ~(torch.isfinite(mean_F) & torch.isfinite(std_F) & (std_F > 0))
        if bool(wrong_F.any()):
            raise DataError(
                f"no usable mean and standard deviation in columns {torch.nonzero(wrong_F).flatten().tolist()}",
                where="tabular",
                remedy="compute them with kag.model.tabular.tabular_statistics on finite values",
            )
        self.mean_F.copy_(mean_F)
        self.std_F.copy_(std_F)

    def forward(self, tabular_BF: Tensor) -> Tensor:
        """Columns as in the file (B, F) to (B, `width`)."""
        standard_BF = (signed_log(tabular_BF) - self.mean_F) / self.std_F
        return self.periodic(standard_BF) if self.periodic is not None else standard_BF
