"""The network: tabular, centre and context encoders, the attention and the gate between them, the classifier.

Whatever depends on the residue alone (attention, residue encoders, gate) is computed once for each distinct context of
a batch and then handed to its points; whatever is random for a point is drawn for the point. `forward` keeps nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from kag.model.attention import NeighbourAttention
from kag.model.batch import Batch, Scores
from kag.model.branches import DRAWN, Branches, side_masks
from kag.model.encoder import Encoder
from kag.model.gate import Gate
from kag.model.precision import full_precision, widened
from kag.model.tabular import TabularInput
from kag.spec.model import ModelSpec


class Head(nn.Module):
    """One hidden layer and a logit, in full precision."""

    def __init__(self, inputs: int, spec: ModelSpec) -> None:
        super().__init__()
        width = spec.hidden[-1]
        self.hidden = Encoder(inputs, (width,), norm=spec.norm, dropout=spec.dropout)
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
        SpecError: the heads do not divide the attention's width.
    """

    context_scale: Tensor

    def __init__(self, spec: ModelSpec, *, features: int, embedding: int, max_distance: float) -> None:
        super().__init__()
        self.spec = spec
        width = spec.hidden[-1]
        self.tabular_input = TabularInput(spec.periodic, features)
        self.tabular_encoder = self._encoder(self.tabular_input.width)
        self.centre_encoder = self._encoder(embedding)
        self.attention = NeighbourAttention(spec.attention, embedding=embedding, max_distance=max_distance)
        self.context_encoder = self._encoder(spec.attention.width)
        self.context_norm = nn.LayerNorm(width) if spec.gate.context_norm else nn.Identity()
        self.gate = Gate(spec.gate, width)
        self.classifier = Head(3 * width, spec)
        self.auxiliary = Head(width, spec) if spec.auxiliary else None
        self.register_buffer("context_scale", torch.tensor(spec.gate.context_scale.at(0)))

    def _encoder(self, inputs: int) -> Encoder:
        return Encoder(inputs, self.spec.hidden, norm=self.spec.norm, dropout=self.spec.dropout)

    @torch.no_grad()
    def set_epoch(self, epoch: float) -> None:
        """Write what changes over epochs, counted from 0, into buffers of the checkpoint; fractions are allowed."""
        self.context_scale.fill_(self.spec.gate.context_scale.at(epoch))
        self.gate.set_epoch(epoch)

    def set_statistics(self, mean_F: Tensor, std_F: Tensor) -> None:
        """Take the train split's statistics of the tabular columns; see `TabularInput.set_statistics`."""
        self.tabular_input.set_statistics(mean_F, std_F)

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
        centre_CW = self.centre_encoder(batch.centre_CD, batch.counted_C)
        attended_CW, entropy_CLH = self.attention(batch, telemetry=telemetry)
        context_CW = self.context_norm(self.context_encoder(attended_CW, batch.counted_C))
        live_alpha_B = self.gate.live(centre_CW, context_CW)[batch.context_B]
        alpha_B = self.gate.used(live_alpha_B, forced.gate_dropout)
        centre_BW, scaled_BW = centre_CW[batch.context_B], (self.context_scale * context_CW)[batch.context_B]
        logit_B = self._classify(tabular_BW, centre_BW, scaled_BW, alpha_B, forced)
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

    def _classify(
        self, tabular_BW: Tensor, centre_BW: Tensor, scaled_BW: Tensor, alpha_B: Tensor, forced: Branches
    ) -> Tensor:
        with full_precision(tabular_BW):
            tabular_BW, centre_BW, scaled_BW = widened(tabular_BW), widened(centre_BW), widened(scaled_BW)
            blended_BW = torch.lerp(scaled_BW, centre_BW, alpha_B.unsqueeze(-1))
            rate = self.spec.modality_dropout if self.training else 0.0
            masks = side_masks(tabular_BW, rate, forced.modality)
            if masks is not None:
                tabular_BW = tabular_BW * masks.tabular_B1
                centre_BW, blended_BW = centre_BW * masks.residue_B1, blended_BW * masks.residue_B1
            logit_B: Tensor = self.classifier(torch.cat([tabular_BW, centre_BW, blended_BW], -1))
            return logit_B


def _mean_over(value_CLH: Tensor, batch: Batch) -> Tensor:
    """Mean over the points that have a neighbour to attend to."""
    attending_B = batch.valid_CK.any(1)[batch.context_B]
    total_LH = torch.where(attending_B[:, None, None], value_CLH[batch.context_B], 0.0).sum(0)
    return total_LH / attending_B.sum().clamp_min(1)


def _mean_norm(vector_BW: Tensor) -> Tensor:
    norm_B: Tensor = torch.linalg.vector_norm(widened(vector_BW.detach()), dim=-1)
    return norm_B.mean()
