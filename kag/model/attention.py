"""Attention of a centre residue over itself and its neighbours.

Shape letters: C contexts, K neighbours, T = K + 1 tokens (the centre first), H heads, L layers, D embedding, W width.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kag.errors import SpecError
from kag.model.precision import full_precision, widened
from kag.spec.model import AttentionSpec

DECAY_LENGTH = 10.0
"""Angstrom over which the exponential bias first falls by a factor e."""

BIAS_HIDDEN = 32
"""Hidden width of the learned bias."""


class LearnedBias(nn.Module):
    """A small MLP of distance / max_distance gives each head its own bias."""

    def __init__(self, heads: int, max_distance: float) -> None:
        super().__init__()
        self.max_distance = max_distance
        # A constant on all keys cancels in the softmax, so the last layer has no bias.
        self.mlp = nn.Sequential(nn.Linear(1, BIAS_HIDDEN), nn.GELU(), nn.Linear(BIAS_HIDDEN, heads, bias=False))

    def forward(self, distance_CT: Tensor) -> Tensor:
        """Angstrom (C, T) to bias (C, H, T)."""
        bias_CTH: Tensor = self.mlp((distance_CT / self.max_distance).unsqueeze(-1))
        return bias_CTH.transpose(1, 2)


class ExponentialBias(nn.Module):
    """-rate x distance with a positive learned rate of each head, 1/angstrom: the weight decays exponentially."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.rate_H = nn.Parameter(torch.full((heads,), math.log(math.expm1(1.0 / DECAY_LENGTH))))

    def forward(self, distance_CT: Tensor) -> Tensor:
        """Angstrom (C, T) to bias (C, H, T)."""
        return -nn.functional.softplus(self.rate_H)[:, None] * distance_CT[:, None, :]


def distance_bias(spec: AttentionSpec, max_distance: float) -> nn.Module | None:
    """The bias that `model.attention.distance_bias` names."""
    if spec.distance_bias == "learned":
        return LearnedBias(spec.heads, max_distance)
    return ExponentialBias(spec.heads) if spec.distance_bias == "exponential" else None


class SelfAttention(nn.Module):
    """Multi-head self-attention with masked keys and a bias on the key axis."""

    def __init__(self, spec: AttentionSpec, max_distance: float) -> None:
        super().__init__()
        self.heads = spec.heads
        self.query_key_value = nn.Linear(spec.width, 3 * spec.width)
        self.output = nn.Linear(spec.width, spec.width)
        self.bias = distance_bias(spec, max_distance)
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, token_CTW: Tensor, distance_CT: Tensor, valid_CT: Tensor, kept: slice) -> tuple[Tensor, Tensor]:
        """Attended tokens of the `kept` positions, and the entropy (C, H) in nats of the centre's attention."""
        packed_CTQ = self.query_key_value(token_CTW)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in packed_CTQ.chunk(3, -1))
        score_CHTT = query @ key.transpose(-2, -1)
        with full_precision(score_CHTT):
            weight_CHTT = self._weights(widened(score_CHTT) / math.sqrt(query.shape[-1]), distance_CT, valid_CT)
            entropy_CH = torch.special.entr(weight_CHTT[:, :, 0].detach()).sum(-1)
        mixed_CHTV = self.dropout(weight_CHTT[:, :, kept]).to(value.dtype) @ value
        return self.output(mixed_CHTV.transpose(1, 2).flatten(2)), entropy_CH

    def _weights(self, score_CHTT: Tensor, distance_CT: Tensor, valid_CT: Tensor) -> Tensor:
        if self.bias is not None:
            # One value for each key, the same for all queries: a value for each query would cancel in the softmax.
            score_CHTT = score_CHTT + self.bias(distance_CT)[:, :, None, :]
        return torch.softmax(score_CHTT.masked_fill(~valid_CT[:, None, None, :], -math.inf), -1)


class AttentionLayer(nn.Module):
    """Pre-norm layer: attention, then a feed-forward part, each added to its input."""

    def __init__(self, spec: AttentionSpec, max_distance: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.width)
        self.attention = SelfAttention(spec, max_distance)
        self.feedforward_norm = nn.LayerNorm(spec.width)
        self.feedforward = nn.Sequential(
            nn.Linear(spec.width, spec.feedforward),
            nn.GELU(),
            nn.Dropout(spec.dropout),
            nn.Linear(spec.feedforward, spec.width),
        )
        self.dropout = nn.Dropout(spec.dropout)

    def forward(self, token_CTW: Tensor, distance_CT: Tensor, valid_CT: Tensor, kept: slice) -> tuple[Tensor, Tensor]:
        """Tokens of the `kept` positions, and the entropy (C, H) of the centre's attention."""
        attended, entropy_CH = self.attention(self.attention_norm(token_CTW), distance_CT, valid_CT, kept)
        token = token_CTW[:, kept] + self.dropout(attended)
        return token + self.dropout(self.feedforward(self.feedforward_norm(token))), entropy_CH


class Attended(NamedTuple):
    """What the attention found out about each context."""

    context_CW: Tensor
    entropy_CLH: Tensor
    """Of the centre's token, divided by the log of the valid tokens: 1 is uniform; 0 where the centre is alone."""


class NeighbourAttention(nn.Module):
    """Centre and neighbours, attended and pooled to one vector for each context.

    Raises:
        SpecError: the heads do not divide the width.
    """

    def __init__(self, spec: AttentionSpec, *, embedding: int, max_distance: float) -> None:
        super().__init__()
        if spec.width % spec.heads:
            raise SpecError(
                f"{spec.heads} heads do not divide the width {spec.width}",
                where="model.attention.heads",
                remedy="choose a divisor of model.attention.width",
            )
        self.pooling = spec.pooling
        self.projection = nn.Linear(embedding, spec.width)
        self.layers = nn.ModuleList(AttentionLayer(spec, max_distance) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, centre_CD: Tensor, neighbour_CKD: Tensor, distance_CK: Tensor, valid_CK: Tensor) -> Attended:
        """Embeddings, distances in angstrom and mask to one vector for each context."""
        token = self.projection(torch.cat([centre_CD.unsqueeze(1), neighbour_CKD], 1))
        # The centre is a token of its own, at distance zero and always valid: no row of the softmax is ever empty.
        distance_CT = nn.functional.pad(distance_CK, (1, 0), value=0.0)
        valid_CT = nn.functional.pad(valid_CK, (1, 0), value=True)
        # The entropy of one token is 0 whatever it is divided by.
        most_C1 = valid_CT.sum(1, keepdim=True).clamp_min(2).log()
        everything, pooled = slice(None), slice(0, 1) if self.pooling == "centre" else slice(1, None)
        entropies = []
        for number, layer in enumerate(self.layers, start=1):
            kept = pooled if number == len(self.layers) else everything
            token, entropy_CH = layer(token, distance_CT, valid_CT, kept)
            entropies.append(entropy_CH / most_C1)
        return Attended(self._pooled(self.norm(token), valid_CK), torch.stack(entropies, 1))

    def _pooled(self, token: Tensor, valid_CK: Tensor) -> Tensor:
        if self.pooling == "centre":
            return token[:, 0]
        valid_CK1 = valid_CK.unsqueeze(-1)
        if self.pooling == "mean":
            count_C1 = valid_CK.sum(1, keepdim=True).clamp_min(1)
            return token.masked_fill(~valid_CK1, 0.0).sum(1) / count_C1.to(token.dtype)
        largest_CW = token.masked_fill(~valid_CK1, -math.inf).amax(1)
        return largest_CW.masked_fill(~valid_CK.any(1, keepdim=True), 0.0)
