"""Stochastic branches of a training step, drawn for each point, and how the rehearsal forces them.

Every branch is a multiplication or a selection, never a cut in the graph: a parameter whose value is masked still gets
a gradient, of zero, so that plain `ddp` finds every parameter used.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Modality = Literal["none", "tabular", "residue"]


class Branches(NamedTuple):
    """What a forward pass must do to all points instead of drawing lots; None leaves the draw as it is.

    A forced branch is taken in evaluation too.
    """

    modality: Modality | None = None
    """Side that is masked in every point: `none`, `tabular`, or `residue` (centre and blended)."""
    gate_dropout: bool | None = None
    """Whether alpha is replaced by the target in every point."""


DRAWN = Branches()
"""Nothing is forced."""


def every_branch() -> Iterator[Branches]:
    """All combinations that a training step can take."""
    for modality, gate_dropout in product(("none", "tabular", "residue"), (False, True)):
        yield Branches(modality, gate_dropout)  # type: ignore[arg-type]  # product widens the literals to str


class SideMasks(NamedTuple):
    """Factors, 0 or 1, of the two sides of each point."""

    tabular_B1: Tensor
    residue_B1: Tensor


def side_masks(like_BW: Tensor, rate: float, forced: Modality | None) -> SideMasks | None:
    """Modality dropout: with probability `rate` one of the two sides of a point, each equally likely, becomes 0.

    Args:
        like_BW: gives number of points, device and number format.
        rate: probability that a side of a point is masked.
        forced: the side that is masked in every point, instead of a draw.

    Returns:
        The factors, or None if nothing is masked.
    """
    if forced == "none" or (forced is None and rate == 0.0):
        return None
    if forced is None:
        draw_B1 = torch.rand(like_BW.shape[0], 1, device=like_BW.device)
        kept = draw_B1 >= rate / 2, (draw_B1 < rate / 2) | (draw_B1 >= rate)
        return SideMasks(*(kept_B1.to(like_BW.dtype) for kept_B1 in kept))
    return SideMasks(*(like_BW.new_full((like_BW.shape[0], 1), forced != side) for side in ("tabular", "residue")))
