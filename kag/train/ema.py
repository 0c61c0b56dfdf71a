"""The exponential moving average of a network over optimizer steps."""

from __future__ import annotations

import copy

import torch
from torch import nn

from kag.model.network import Network


def share_kept(decay: float, step: int) -> float:
    """Share of the average that a step keeps, counted from 0: at most `decay`, less in the first steps, in which the
    average would else be that of the initial weights (as TensorFlow's `ExponentialMovingAverage(num_updates=...)`).
    """
    return min(decay, (1 + step) / (10 + step))


def averaging_network(network: Network) -> Network:
    """A copy that follows the network and is never trained."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the network after an optimizer step.

    Running statistics move with the weights that they belong to; counters are taken over.
    """
    own, other = average.state_dict().values(), network.state_dict().values()
    pairs = list(zip(own, other, strict=True))
    moved = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([kept for kept, _ in moved], [value for _, value in moved], 1.0 - share_kept(decay, step))
    for kept, value in pairs:
        if not kept.is_floating_point():
            kept.copy_(value)
