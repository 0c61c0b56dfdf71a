"""Dropout that draws torch's own masks on the CPU in less time."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

PROBE = 64
"""Elements that are drawn to find out how torch draws: more than any vector of a processor holds."""


class Dropout(nn.Dropout):
    """`nn.Dropout` bit for bit: output, gradient, and what the generator draws next.

    On the CPU torch draws a 64-bit uniform number for each element and compares it, one after the other. The same
    numbers drawn as a tensor take half as long.
    """

    def forward(self, input: Tensor) -> Tensor:
        """A tensor of any shape and strides; in training some elements are 0 and the others scaled up."""
        if not self.training or not 0.0 < self.p < 1.0 or input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        if not _masks_are_uniform_numbers():
            return super().forward(input)
        kept = torch.empty_like(input, dtype=torch.float64).uniform_() < 1.0 - self.p
        return input * kept.to(input.dtype).div_(1.0 - self.p)


@cache
def _masks_are_uniform_numbers() -> bool:
    """Whether torch draws masks so here; on processors that MKL suits, some versions let MKL draw them."""
    mask, number = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    drawn = torch.empty(PROBE).bernoulli_(0.5, generator=mask) == 1.0
    uniform = torch.empty(PROBE, dtype=torch.float64).uniform_(generator=number) < 0.5
    return torch.equal(drawn, uniform) and torch.equal(mask.get_state(), number.get_state())
