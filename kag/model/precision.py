"""In which number format a network computes, and which of its parts keep 32 bits under mixed precision.

Encoders and attention products lose nothing that can be measured in bf16; gate, heads and softmax do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import Tensor

from kag.spec.run import Precision

FULL: Precision = "32-true"
"""The format that every device has."""
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


@contextmanager
def matrix_products(precision: Precision) -> Iterator[None]:
    """Products of 32-bit matrices inside the block: rounded to TF32 on a GPU that can, or exact; as before after it.

    TF32 keeps 10 of 23 bits of each factor and adds in 32 bits (NVIDIA A100 white paper, 2020).
    """
    before, wanted = torch.get_float32_matmul_precision(), "high" if precision == "tf32" else "highest"
    if before == wanted:
        yield
        return
    torch.set_float32_matmul_precision(wanted)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """A forward pass inside the block has the number format that it has in training, as Lightning sets it there."""
    half = torch.bfloat16 if precision == "bf16-mixed" else torch.float16
    with matrix_products(precision), torch.autocast(device.type, dtype=half, enabled=precision.endswith("-mixed")):
        yield
