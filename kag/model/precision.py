"""Which parts keep 32 bits under mixed precision.

Encoders and attention products lose nothing that can be measured in bf16; gate, heads and softmax do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

FACTORS: Mapping[str, torch.dtype] = MappingProxyType({"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16})
"""Number format of what autocast multiplies, by `trainer.precision`; rounded to it before, a factor stays the same."""

FEWEST_ROWS = 16
"""Rows from which on a matrix product on the CPU gives each row the same bits, however many others there are.

Below, MKL takes other kernels, which add in another order (measured with 1 to 200 rows, 8 to 2560 columns)."""


def widened(x: Tensor) -> Tensor:
    """The tensor in float32 if it came in 16 bits, else as it is (float64 stays float64)."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def full_precision(x: Tensor) -> torch.autocast:
    """Context in which autocast is off on the device of `x`; pass tensors through `widened` inside."""
    return torch.autocast(x.device.type if x.device.type != "meta" else "cpu", enabled=False)
