"""The gate: how much of the centre, and how much of the context, enters the mix.

Shape letters: B points, C contexts, W encoder width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from kag.model.precision import full_precision, widened
from kag.spec.model import GateSpec


class Gate(nn.Module):
    """Alpha in (0, 1): the share of the centre.

    `live` gives alpha with its gradient, on which the penalty acts; `used` clamps it and, in training, replaces it in
    some points. Before training alpha is `initial` exactly, whatever the temperature.
    """

    dropout_rate: Tensor

    def __init__(self, spec: GateSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("dropout_rate", torch.tensor(spec.dropout.rate.at(0)))
        logit = spec.temperature * math.log(spec.initial / (1.0 - spec.initial))
        self.mlp = _mlp(width, logit) if spec.kind == "mlp" else None
        if spec.kind == "scalar":
            self.logit = nn.Parameter(torch.tensor(logit))
        elif spec.kind == "fixed":
            self.register_buffer("logit", torch.tensor(logit), persistent=False)

    @torch.no_grad()
    def set_epoch(self, epoch: float) -> None:
        """Write the dropout rate of the epoch into its buffer."""
        self.dropout_rate.fill_(self.spec.dropout.rate.at(epoch))

    def live(self, centre_CW: Tensor, context_CW: Tensor) -> Tensor:
        """Alpha (C,) of each context, before clamp and dropout, in full precision."""
        with full_precision(centre_CW):
            if self.mlp is not None:
                logit_C = self.mlp(torch.cat([widened(centre_CW), widened(context_CW)], -1)).squeeze(-1)
            else:
                logit_C = self.logit.expand(centre_CW.shape[0])
            return torch.sigmoid(logit_C / self.spec.temperature)

    def used(self, live_B: Tensor, forced_dropout: bool | None = None) -> Tensor:
        """Alpha (B,) that enters the mix: clamped, and replaced by the target in points that dropout hits."""
        alpha_B = live_B if self.spec.clamp is None else live_B.clamp(*self.spec.clamp)
        if forced_dropout is None and not self.training:
            return alpha_B
        if forced_dropout is None:
            dropped_B = torch.rand(live_B.shape, device=live_B.device) < self.dropout_rate
        else:
            dropped_B = torch.full_like(live_B, forced_dropout, dtype=torch.bool)
        return torch.where(dropped_B, self.spec.dropout.target, alpha_B)


def _mlp(width: int, logit: float) -> nn.Sequential:
    last = nn.Linear(width, 1)
    # Without weights at first, every context starts at the same alpha; the bias alone says which.
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, logit)
    return nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), last)
