"""The network: tabular, centre and context encoders, the attention and the gate between them, the classifier.

Whatever depends on the residue alone (attention, residue encoders, gate) is computed once for each distinct context of
a batch and then handed to its points; whatever is random for a point is drawn for the point. `forward` keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from kag.errors import SpecError
from kag.model.attention import NeighbourAttention
from kag.model.batch import Batch, Scores
from kag.model.branches import DRAWN, Branches, side_masks
from kag.model.embedding import EmbeddingNorm
from kag.model.encoder import Encoder
from kag.model.gate import Gate
from kag.model.precision import full_precision, widened
from kag.model.tabular import PeriodicEmbedding, TabularInput
from kag.spec.model import ModelSpec


class Head(nn.Module):
    """One hidden layer and a logit, in full precision."""

    def __init__(self, inputs: int, spec: ModelSpec) -> None:
        super().__init__()
        width = spec.hidden[-1]
        self.hidden = Encoder(inputs, (width,), spec)
        self.logit = nn.Linear(width, 1)

    def forward(self, input: Tensor, counted_X: Tensor | None = None) -> Tensor:
        """(rows, inputs) to (rows,); `counted_X` as for `Encoder`."""
        with full_precision(input):
            logit: Tensor = self.logit(self.hidden(widened(input), counted_X))
            return logit.squeeze(-1)


class Network(nn.Module):
    """Scores of points on a protein's surface.

    Args:
        spec: the part `model` of a run spec.
        features: tabular columns.
        embedding: width of a residue embedding.
        max_distance: angstrom; where the learned distance bias has its unit.

    Raises:
        SpecError: the heads do not divide the attention's width, or a closed gate meets an auxiliary head, which sees
            neighbours alone.
    """

    context_scale: Tensor
    attention: NeighbourAttention | None
    context_encoder: Encoder | None
    context_norm: nn.Module | None
    gate: Gate | None

    def __init__(self, spec: ModelSpec, *, features: int, embedding: int, max_distance: float) -> None:
        super().__init__()
        self.spec = spec
        width = spec.hidden[-1]
        self.tabular_input = TabularInput(spec.periodic, features)
        self.embedding_norm = EmbeddingNorm(spec.embedding_norm, embedding)
        self.tabular_encoder = Encoder(self.tabular_input.width, spec.hidden, spec)
        self.centre_encoder = Encoder(embedding, spec.hidden, spec)
        # What looks at neighbours is not there where the gate is closed: plain ddp wants every parameter used.
        self.attention = self.context_encoder = self.context_norm = self.gate = None
        if spec.gate.kind != "closed":
            self.attention = NeighbourAttention(spec.attention, embedding=embedding, max_distance=max_distance)
            self.context_encoder = Encoder(spec.attention.width, spec.hidden, spec)
            self.context_norm = nn.LayerNorm(width) if spec.gate.context_norm else nn.Identity()
            self.gate = Gate(spec.gate, width)
        self.classifier = Head((2 if self.gate is None else 3) * width, spec)
        if self.gate is None and spec.auxiliary:
            raise SpecError(
                "an auxiliary head sees neighbours alone, and model.gate.kind = closed has none",
                where="model.auxiliary",
                remedy="set model.auxiliary=null",
            )
        self.auxiliary = Head(width, spec) if spec.auxiliary else None
        self.register_buffer("context_scale", torch.tensor(spec.gate.context_scale.at(0)))

    @torch.no_grad()
    def set_epoch(self, epoch: float) -> None:
        """Write what changes over epochs, counted from 0, into buffers of the checkpoint; fractions are allowed."""
        self.context_scale.fill_(self.spec.gate.context_scale.at(epoch))
        if self.gate is not None:
            self.gate.set_epoch(epoch)

    def set_statistics(self, mean_F: Tensor, std_F: Tensor) -> None:
        """Take the train split's statistics of the tabular columns; see `TabularInput.set_statistics`."""
        self.tabular_input.set_statistics(mean_F, std_F)

    def set_embedding_statistics(self, mean_D: Tensor, std_D: Tensor) -> None:
        """Take the train split's statistics of the residue embeddings, where `model.embedding_norm` is `train`."""
        self.embedding_norm.set_statistics(mean_D, std_D)

    def matrices(self) -> Iterator[Tensor]:
        """What multiplies its input: weights of linear layers, of the periodic embedding too, whose frequencies do not.

        The rest (biases, norms, frequencies, rates, the logit of a gate) has no reason to be small.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                yield module.weight
            elif isinstance(module, PeriodicEmbedding):
                yield module.weight_FME

    @torch.no_grad()
    def prior_bias(self, logit: float) -> None:
        """Start both heads at a logit, such as the log-odds that prevalence and pos_weight together imply.

        For the very first start only: it overwrites what training has learned.
        """
        for head in (self.classifier, self.auxiliary):
            if head is not None:
                head.logit.bias.fill_(logit)

    def forward(self, batch: Batch, forced: Branches = DRAWN, *, telemetry: bool = False) -> Scores:
        """Score a batch.

        Args:
            forced: stochastic branches that all points take instead of drawing lots; for the rehearsal.
            telemetry: tell entropy and norms too, which cost a little.
        """
        tabular_BW = self.tabular_encoder(self.tabular_input(batch.tabular_BF))
        batch = batch.with_embeddings(self.embedding_norm(batch.residue_UD))
        centre_CW = self.centre_encoder(batch.centre_CD, batch.counted_C)
        if self.gate is None or self.attention is None or self.context_encoder is None or self.context_norm is None:
            return self._without_context(batch, tabular_BW, centre_CW, forced, telemetry)
        attended_CW, entropy_CLH = self.attention(batch, telemetry=telemetry)
        context_CW = self.context_norm(self.context_encoder(attended_CW, batch.counted_C))
        live_alpha_B = self.gate.live(centre_CW, context_CW)[batch.context_B]
        alpha_B = self.gate.used(live_alpha_B, forced.gate_dropout)
        centre_BW, scaled_BW = centre_CW[batch.context_B], (self.context_scale * context_CW)[batch.context_B]
        with full_precision(centre_BW):
            blended_BW = torch.lerp(widened(scaled_BW), widened(centre_BW), alpha_B.unsqueeze(-1))
        logit_B = self._classify(tabular_BW, [centre_BW, blended_BW], forced)
        auxiliary_C = self.auxiliary(context_CW, batch.counted_C) if self.auxiliary is not None else None
        return Scores(
            logit_B=logit_B,
            auxiliary_B=None if auxiliary_C is None else auxiliary_C[batch.context_B],
            alpha_B=alpha_B,
            live_alpha_B=live_alpha_B,
            entropy_LH=None if entropy_CLH is None else _mean_over(entropy_CLH, batch),
            centre_norm=_mean_norm(centre_BW) if telemetry else None,
            context_norm=_mean_norm(scaled_BW) if telemetry else None,
        )

    def _without_context(
        self, batch: Batch, tabular_BW: Tensor, centre_CW: Tensor, forced: Branches, telemetry: bool
    ) -> Scores:
        """Scores where the gate is closed: alpha is 1 for ever."""
        centre_BW = centre_CW[batch.context_B]
        logit_B = self._classify(tabular_BW, [centre_BW], forced)
        open_B = torch.ones_like(logit_B)
        norm = _mean_norm(centre_BW) if telemetry else None
        return Scores(logit_B, None, open_B, open_B, entropy_LH=None, centre_norm=norm, context_norm=None)

    def _classify(self, tabular_BW: Tensor, residue_BW: list[Tensor], forced: Branches) -> Tensor:
        with full_precision(tabular_BW):
            tabular_BW, residue_BW = widened(tabular_BW), [widened(each_BW) for each_BW in residue_BW]
            rate = self.spec.modality_dropout if self.training else 0.0
            masks = side_masks(tabular_BW, rate, forced.modality)
            if masks is not None:
                tabular_BW = tabular_BW * masks.tabular_B1
                residue_BW = [each_BW * masks.residue_B1 for each_BW in residue_BW]
            logit_B: Tensor = self.classifier(torch.cat([tabular_BW, *residue_BW], -1))
            return logit_B


def _mean_over(value_CLH: Tensor, batch: Batch) -> Tensor:
    """Mean over the points that have a neighbour to attend to."""
    attending_B = batch.valid_CK.any(1)[batch.context_B]
    total_LH = torch.where(attending_B[:, None, None], value_CLH[batch.context_B], 0.0).sum(0)
    return total_LH / attending_B.sum().clamp_min(1)


def _mean_norm(vector_BW: Tensor) -> Tensor:
    norm_B: Tensor = torch.linalg.vector_norm(widened(vector_BW.detach()), dim=-1)
    return norm_B.mean()
