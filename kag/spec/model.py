"""The part `model` of a spec: encoders, attention, gate, auxiliary head.

Defaults are those of `kag.spec.run`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kag.spec.part import LISTED, Count, Part, Positive, Rate, Share
from kag.spec.ramp import Ramp


def _between(low: float, high: float, *, below: bool = False) -> AfterValidator:
    def check(ramp: Ramp) -> Ramp:
        smallest, largest = ramp.bounds()
        if smallest < low or largest > high or (below and largest == high):
            interval = f"[{low:g}, {high:g}{')' if below else ']'}"
            raise ValueError(f"must not fall below {low:g}" if math.isinf(high) else f"must stay within {interval}")
        return ramp

    return AfterValidator(check)


NotNegativeRamp = Annotated[Ramp, _between(0.0, math.inf)]
RateRamp = Annotated[Ramp, _between(0.0, 1.0, below=True)]


def _ordered(clamp: tuple[float, float]) -> tuple[float, float]:
    low, high = clamp
    if not 0.0 <= low < high <= 1.0:
        raise ValueError("needs 0 <= low < high <= 1")
    return clamp


class PeriodicSpec(Part):
    """Periodic embedding of each tabular column: Linear([sin, cos](2 pi c v)), c learned (Gorishniy et al. 2022)."""

    frequencies: Count = 16
    """Learned frequencies of each column."""
    sigma: Positive = 0.62
    """Standard deviation of the initial frequencies."""
    width: Count = 16
    """Numbers that each column becomes."""


class AttentionSpec(Part):
    """Attention of a centre residue over itself and its k nearest neighbours."""

    heads: Count = 2
    """Attention heads; must divide `width`."""
    layers: Count = 1
    """Transformer layers."""
    width: Count = 16
    """Width that residue embeddings are projected to."""
    feedforward: Count = 32
    """Hidden width of the feed-forward part of each layer."""
    dropout: Rate = 0.0
    """Dropout inside the attention layers."""
    distance_bias: Literal["learned", "exponential", "none"] = "exponential"
    """What distance adds to an attention logit, on the key axis."""
    pooling: Literal["mean", "max", "centre"] = "max"
    """How the attended tokens become one context: over the valid neighbours, or the centre's own token."""


class PenaltySpec(Part):
    """Pulls the gate to a target: weight x |alpha - target|, on the live alpha before dropout and clamp."""

    weight: NotNegativeRamp = Ramp(start=0.0, end=0.0)
    """Weight in the loss, per epoch."""
    target: Share = 0.6
    """Alpha at which there is no penalty."""
    over: Literal["sample", "batch"] = "sample"
    """Mean of |alpha - target| over samples, or |mean alpha - target| of the batch."""


class GateDropoutSpec(Part):
    """In training, alpha of a random sample is replaced by a target."""

    rate: RateRamp = Ramp(start=0.0, end=0.0)
    """Probability per sample, per epoch."""
    target: Share = 0.55
    """What alpha becomes."""


class GateSpec(Part):
    """Mixes centre and context: alpha x centre + (1 - alpha) x scale x context."""

    kind: Literal["mlp", "scalar", "fixed", "closed"] = "scalar"
    """Alpha per sample from an MLP, one learned number, a constant, or 1: a model without neighbours."""
    initial: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """Alpha before training (and for ever, if the kind is fixed)."""
    clamp: Annotated[tuple[float, float], LISTED, AfterValidator(_ordered)] | None = None
    """Smallest and largest alpha, or null."""
    temperature: Positive = 1.5
    """Divides the gate's logit: above 1 is softer."""
    penalty: PenaltySpec = PenaltySpec()
    dropout: GateDropoutSpec = GateDropoutSpec()
    context_norm: bool = True
    """LayerNorm on the context before it is scaled."""
    context_scale: NotNegativeRamp = Ramp(start=1.0, end=1.0)
    """Factor of the context, per epoch; kept in the checkpoint."""


class AuxiliarySpec(Part):
    """A classifier that sees the neighbours' context alone; its loss keeps the attention's gradients alive."""

    weight: NotNegativeRamp = Ramp(start=0.1, end=0.02, epochs=4)
    """Weight in the loss, per epoch."""
    distance_temperature: Positive | None = 6.0
    """Sample weight exp(-nearest distance / this), angstrom; null weighs all samples alike."""


class ModelSpec(Part):
    """Tabular, centre and context encoders, the attention and the gate between them."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1), LISTED] = (48,)
    """Layer widths of each encoder; the last one is the width that the gate mixes."""
    dropout: Rate = 0.6
    """Dropout in encoders and classifier."""
    modality_dropout: Rate = 0.1
    """Probability per sample that, in training, the tabular or the residue side is masked."""
    norm: Literal["batch", "layer"] = "batch"
    """Normalisation in encoders and classifier."""
    activation: Literal["relu", "gelu"] = "gelu"
    """What follows the normalisation in encoders and classifier."""
    embedding_norm: Literal["none", "train", "layer"] = "layer"
    """Residue embeddings at first: as stored, standardised by the train split, or through LayerNorm."""
    periodic: PeriodicSpec | None = PeriodicSpec()
    """Periodic embeddings of the tabular columns, or null."""
    attention: AttentionSpec = AttentionSpec()
    gate: GateSpec = GateSpec()
    auxiliary: AuxiliarySpec | None = None
    """Neighbour-only auxiliary head, or null."""
