"""Main losses, and the objective that adds the gate's penalty and the auxiliary loss to them.

A main loss is a pure function of logits, labels, the weight of positives and its spec; a new one joins `LOSSES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kag.model.batch import Batch, Scores
from kag.spec.model import ModelSpec, PenaltySpec
from kag.spec.ramp import Ramp
from kag.spec.run import LossSpec

MainLoss = Callable[[Tensor, Tensor, Tensor | float, LossSpec], Tensor]

SMALLEST_SHIFTED = 1e-12
"""Keeps the power of a shifted probability differentiable where the shift takes all of it."""


def bce(logit_B: Tensor, label_B: Tensor, pos_weight: Tensor | float, spec: LossSpec) -> Tensor:
    """Binary cross-entropy."""
    return _weighted(-F.logsigmoid(logit_B), -F.logsigmoid(-logit_B), label_B, pos_weight)


def focal(logit_B: Tensor, label_B: Tensor, pos_weight: Tensor | float, spec: LossSpec) -> Tensor:
    """Focal loss (arXiv 1708.02002): cross-entropy x (probability of the wrong class)^gamma; gamma 0 is `bce`."""
    log_yes_B, log_no_B = F.logsigmoid(logit_B), F.logsigmoid(-logit_B)
    positive_B = -log_yes_B * torch.exp(spec.gamma * log_no_B)
    negative_B = -log_no_B * torch.exp(spec.gamma * log_yes_B)
    return _weighted(positive_B, negative_B, label_B, pos_weight)


def asymmetric(logit_B: Tensor, label_B: Tensor, pos_weight: Tensor | float, spec: LossSpec) -> Tensor:
    """Asymmetric loss (arXiv 2009.14119) with focusing of the negatives alone.

    A negative of probability p counts as one of max(p - margin, 0), so easy negatives cost nothing; gamma 0 and
    margin 0 is `bce`.
    """
    log_yes_B, log_no_B = F.logsigmoid(logit_B), F.logsigmoid(-logit_B)
    if spec.margin == 0.0:
        negative_B = -log_no_B * torch.exp(spec.gamma * log_yes_B)
    else:
        log_margin = torch.full_like(logit_B, math.log(spec.margin))
        shifted_no_B = torch.logaddexp(log_no_B, log_margin).clamp_max(0.0)
        shifted_yes_B = (torch.sigmoid(logit_B) - spec.margin).clamp_min(SMALLEST_SHIFTED)
        negative_B = -shifted_no_B * shifted_yes_B**spec.gamma
    return _weighted(-log_yes_B, negative_B, label_B, pos_weight)


def _weighted(positive_B: Tensor, negative_B: Tensor, label_B: Tensor, pos_weight: Tensor | float) -> Tensor:
    return label_B * pos_weight * positive_B + (1.0 - label_B) * negative_B


LOSSES: Mapping[str, MainLoss] = MappingProxyType({"bce": bce, "focal": focal, "asymmetric": asymmetric})
"""Main losses by the name that `loss.kind` and `loss.warmup.kind` use; each gives one value for each point."""


def gate_penalty(live_alpha_B: Tensor, spec: PenaltySpec) -> Tensor:
    """Scalar: distance of the live alpha from its target, unweighted."""
    if spec.over == "batch":
        return (live_alpha_B.mean() - spec.target).abs()
    return (live_alpha_B - spec.target).abs().mean()


def neighbour_weights(batch: Batch, temperature: float | None) -> Tensor:
    """Weights (B,) of the auxiliary loss, exp(-nearest distance / temperature), scaled to the sum 1.

    A softmax: it stays finite where the distances are so large that every exponential is zero.
    """
    nearest_B = batch.distance_CK.amin(1)[batch.context_B]
    return torch.softmax(-nearest_B / temperature if temperature else torch.zeros_like(nearest_B), 0)


class Losses(NamedTuple):
    """Scalars of one batch."""

    total: Tensor
    """main + penalty weight x penalty + auxiliary weight x auxiliary."""
    main: Tensor
    penalty: Tensor
    """Unweighted."""
    auxiliary: Tensor | None
    """Unweighted; None without an auxiliary head."""


class Objective(nn.Module):
    """The loss of a batch. What changes over epochs lies in buffers of the checkpoint.

    Args:
        spec: the part `loss` of a run spec.
        model: the part `model`, for the gate's penalty and the auxiliary loss.
        auto_pos_weight: what `pos_weight: auto` stands for, negatives / positives of the train split.
    """

    pos_weight: Tensor
    penalty_weight: Tensor
    auxiliary_weight: Tensor
    warming: Tensor

    def __init__(self, spec: LossSpec, model: ModelSpec, auto_pos_weight: float) -> None:
        super().__init__()
        self.spec = spec
        self.penalty_spec = model.gate.penalty
        self.auxiliary_spec = model.auxiliary
        self.pos_weight_ramp = (
            spec.pos_weight if isinstance(spec.pos_weight, Ramp) else Ramp(start=auto_pos_weight, end=auto_pos_weight)
        )
        for name in ("pos_weight", "penalty_weight", "auxiliary_weight"):
            self.register_buffer(name, torch.tensor(0.0))
        self.register_buffer("warming", torch.tensor(False))
        self.set_epoch(0)

    @torch.no_grad()
    def set_epoch(self, epoch: float) -> None:
        """Write the weights of an epoch, counted from 0, and whether it is one of warm-up, into the buffers."""
        self.pos_weight.fill_(self.pos_weight_ramp.at(epoch))
        self.penalty_weight.fill_(self.penalty_spec.weight.at(epoch))
        self.auxiliary_weight.fill_(self.auxiliary_spec.weight.at(epoch) if self.auxiliary_spec else 0.0)
        self.warming.fill_(self.spec.warms_up(epoch))

    def forward(self, scores: Scores, batch: Batch) -> Losses:
        """Losses of a scored batch."""
        main = self.main(scores.logit_B, batch.label_B)
        penalty = gate_penalty(scores.live_alpha_B, self.penalty_spec)
        total = main + self.penalty_weight * penalty
        auxiliary = self._auxiliary(scores.auxiliary_B, batch)
        if auxiliary is not None:
            total = total + self.auxiliary_weight * auxiliary
        return Losses(total, main, penalty, auxiliary)

    def main(self, logit_B: Tensor, label_B: Tensor) -> Tensor:
        """Scalar: the main loss of this epoch, mean over points; what training minimises, and what val is held to."""
        if self.spec.label_smoothing:
            label_B = torch.lerp(label_B, torch.full_like(label_B, 0.5), self.spec.label_smoothing)
        loss_B = LOSSES[self.spec.kind](logit_B, label_B, self.pos_weight, self.spec)
        if self.spec.warmup is None:
            return loss_B.mean()
        warmup_B = LOSSES[self.spec.warmup.kind](logit_B, label_B, self.pos_weight, self.spec)
        # A choice by tensor: the checkpoint carries it, and the device is not asked for its value in each step.
        return torch.where(self.warming, warmup_B, loss_B).mean()

    def _auxiliary(self, logit_B: Tensor | None, batch: Batch) -> Tensor | None:
        if logit_B is None or self.auxiliary_spec is None:
            return None
        weight_B = neighbour_weights(batch, self.auxiliary_spec.distance_temperature)
        return (weight_B * bce(logit_B, batch.label_B, self.pos_weight, self.spec)).sum()
