"""Attention of a centre residue over itself and its neighbours.

Shape letters: C contexts, K neighbours, T = K + 1 tokens (the centre first), U residues, H heads, L layers,
D embedding, W width, X rows or numbers of any kind.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from kag.errors import SpecError
from kag.model.batch import Batch
from kag.model.dropout import Dropout
from kag.model.precision import FEWEST_ROWS, full_precision, widened
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
        self.dropout = Dropout(spec.dropout)

    def forward(
        self,
        query_CTW: Tensor,
        key_CTW: Tensor,
        value_CTW: Tensor,
        distance_CT: Tensor,
        valid_CT: Tensor,
        kept: slice,
        telemetry: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Attended tokens of the `kept` positions; on demand the entropy (C, H) in nats of the centre's attention."""
        query, key, value = (
            part_CTW.view(*part_CTW.shape[:2], self.heads, -1).transpose(1, 2)
            for part_CTW in (query_CTW, key_CTW, value_CTW)
        )
        scale = math.sqrt(query.shape[-1])
        # In 16 bits a product of unscaled queries can overflow. A power of two rounds nothing, so that all numbers are
        # those of a division after the product, bit for bit; what it is too much comes back in 32 bits.
        first = 2.0 ** math.ceil(math.log2(scale))
        score_CHTT = (query / first) @ key.transpose(-2, -1)
        with full_precision(score_CHTT):
            weight_CHTT = self._weights(widened(score_CHTT) / (scale / first), distance_CT, valid_CT)
            entropy_CH = torch.special.entr(weight_CHTT[:, :, 0].detach()).sum(-1) if telemetry else None
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
            Dropout(spec.dropout),
            nn.Linear(spec.feedforward, spec.width),
        )
        self.dropout = Dropout(spec.dropout)

    def packed(self, token_XW: Tensor) -> Tensor:
        """Query, key and value (X, 3W) of rows as they come, in one product."""
        packed: Tensor = self.attention.query_key_value(self.attention_norm(token_XW))
        return packed

    def asked_by_neighbours(self, token_CTW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value (C, T, W each), where zeros stand for the centre's query: products of few rows depend on
        how many there are, so none is left out of the small ones that follow."""
        linear, normed_CTW, width = self.attention.query_key_value, self.attention_norm(token_CTW), token_CTW.shape[-1]
        query_CKW = nn.functional.linear(normed_CTW[:, 1:].contiguous(), linear.weight[:width], linear.bias[:width])
        key_CTW, value_CTW = nn.functional.linear(normed_CTW, linear.weight[width:], linear.bias[width:]).chunk(2, -1)
        return nn.functional.pad(query_CKW, (0, 0, 1, 0)), key_CTW, value_CTW

    def forward(
        self,
        token_CTW: Tensor,
        asked: tuple[Tensor, Tensor, Tensor],
        distance_CT: Tensor,
        valid_CT: Tensor,
        kept: slice,
        telemetry: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens of the `kept` positions, and the entropy (C, H) of the centre's attention if it is wanted."""
        attended, entropy_CH = self.attention(*asked, distance_CT, valid_CT, kept, telemetry)
        token = token_CTW[:, kept] + self.dropout(attended)
        return token + self.dropout(self.feedforward(self.feedforward_norm(token))), entropy_CH


class Attended(NamedTuple):
    """What the attention found out about each context."""

    context_CW: Tensor
    entropy_CLH: Tensor | None
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

    def forward(self, batch: Batch, *, telemetry: bool = False) -> Attended:
        """Embeddings, distances and mask to one vector for each context.

        Where `token_CT` names the residues, each goes through the projection and the first layer's norm, query, key and
        value once; none of these draws anything at random. Rows of their own are computed as they always were, so that
        runs of earlier versions can be trained again bit for bit.
        """
        # The centre is a token of its own, at distance zero and always valid: no row of the softmax is ever empty.
        distance_CT = nn.functional.pad(batch.distance_CK, (1, 0), value=0.0)
        valid_CT = nn.functional.pad(batch.valid_CK, (1, 0), value=True)
        token_CT, projected_UW = batch.token_CT, self.projection(batch.residue_UD)
        layers = cast("list[AttentionLayer]", list(self.layers))
        everything, pooled = slice(None), slice(0, 1) if self.pooling == "centre" else slice(1, None)
        # With few contexts there is nothing to save, and rounding would depend on how many rows a product has. In
        # training a part of a weight gets a gradient of the whole one's size, which costs more than the query.
        few = token_CT is None or len(token_CT) < FEWEST_ROWS
        centre_asks = telemetry or self.training or self.pooling == "centre" or few
        token, entropies = _by_token(projected_UW, token_CT, valid_CT), []
        for number, layer in enumerate(layers, start=1):
            last = number == len(self.layers)
            if number == 1:
                asked = _by_token(layer.packed(projected_UW), token_CT, valid_CT).chunk(3, -1)
            elif last and not centre_asks:
                asked = layer.asked_by_neighbours(token)
            else:
                asked = layer.packed(token).chunk(3, -1)
            kept = pooled if last else everything
            token, entropy_CH = layer(token, asked, distance_CT, valid_CT, kept, telemetry)
            entropies.append(entropy_CH)
        pooled_CW = self._pooled(self.norm(token), batch.valid_CK)
        if not telemetry:
            return Attended(pooled_CW, None)
        # The entropy of one token is 0 whatever it is divided by.
        most_C11 = valid_CT.sum(1).clamp_min(2).log()[:, None, None]
        return Attended(pooled_CW, torch.stack(entropies, 1) / most_C11)

    def _pooled(self, token: Tensor, valid_CK: Tensor) -> Tensor:
        if self.pooling == "centre":
            return token[:, 0]
        valid_CK1 = valid_CK.unsqueeze(-1)
        if self.pooling == "mean":
            count_C1 = valid_CK.sum(1, keepdim=True).clamp_min(1)
            return token.masked_fill(~valid_CK1, 0.0).sum(1) / count_C1.to(token.dtype)
        largest_CW = token.masked_fill(~valid_CK1, -math.inf).amax(1)
        return largest_CW.masked_fill(~valid_CK.any(1, keepdim=True), 0.0)


def _by_token(row_UX: Tensor, token_CT: Tensor | None, valid_CT: Tensor) -> Tensor:
    """Rows of the U axis laid out over the tokens (C, T, X)."""
    if token_CT is None:
        return row_UX.view(*valid_CT.shape, row_UX.shape[-1])
    # Not an index: its backward pass has one order of addition on every device.
    return nn.functional.embedding(token_CT, row_UX)
