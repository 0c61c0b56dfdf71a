"""What goes into the network and what comes out of it.

Shape letters: B points of a batch, C distinct contexts among them, K neighbours, T = K + 1 tokens (the centre first),
U residues, D embedding, F tabular columns, L attention layers, H attention heads, W the last encoder width.

A *context* is a centre residue with its neighbours and distances. Points on the surface of one residue share it, so
attention, gate and residue encoders may be computed once per context: `context_B` says which row of the C axis each
point uses. Where nothing is shared, C = B and `context_B` is 0, 1, 2, ...

Contexts overlap: a residue is the centre of one and a neighbour of others. What depends on its embedding alone may be
computed once per residue: `token_CT` says which row of the U axis each token uses.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Points of a batch, gathered on the device."""

    tabular_BF: Tensor
    """float32, as in the file; the network transforms and standardises."""
    label_B: Tensor
    """float32, 0 or 1."""
    context_B: Tensor
    """int64, row of the C axis that belongs to each point."""
    residue_UD: Tensor
    """Embeddings of centres and neighbours; float32, or under mixed precision what autocast would make of that."""
    token_CT: Tensor | None
    """int64, row of the U axis that belongs to each token; None where each token has a row of its own, U = C x T, one
    context after another. What stands for an invalid neighbour means nothing; nothing may depend on it."""
    distance_CK: Tensor
    """Angstrom, float32, at most `data.max_distance`; a missing neighbour has exactly that."""
    valid_CK: Tensor
    """bool: the neighbour exists and is not farther than `data.max_distance`."""
    index_B: Tensor
    """int64, row of each point in the file."""
    counted_C: Tensor | None = None
    """bool: contexts that count in what is taken over all of them, as the statistics of a batch are; None: all do. No
    point has another one."""

    @property
    def centre_CD(self) -> Tensor:
        """Embedding of the centre residue."""
        if self.token_CT is not None:
            return self.residue_UD[self.token_CT[:, 0]]
        return self._by_context(self.residue_UD)[:, 0].contiguous()

    @property
    def neighbour_CKD(self) -> Tensor:
        """Embeddings of the neighbours; zeros where `valid_CK` is False."""
        own = self.residue_UD if self.token_CT is None else self.residue_UD[self.token_CT.flatten()]
        return self._by_context(own)[:, 1:].masked_fill(~self.valid_CK.unsqueeze(-1), 0.0)

    def with_embeddings(self, residue_UD: Tensor) -> Batch:
        """The same points and tokens with other embeddings; written out since torch 2.6 does not compile `_replace`."""
        before = self.tabular_BF, self.label_B, self.context_B
        return Batch(*before, residue_UD, self.token_CT, self.distance_CK, self.valid_CK, self.index_B, self.counted_C)

    def with_residues(self, centre_CD: Tensor, neighbour_CKD: Tensor) -> Batch:
        """The same points with other embeddings, each token in a row of its own."""
        residue_UD = torch.cat([centre_CD.unsqueeze(1), neighbour_CKD], 1).flatten(0, 1)
        return self._replace(residue_UD=residue_UD, token_CT=None)

    def _by_context(self, token_XD: Tensor) -> Tensor:
        contexts, neighbours = self.valid_CK.shape
        return token_XD.view(contexts, neighbours + 1, token_XD.shape[-1])


class Scores(NamedTuple):
    """Facts of one forward pass. The network keeps none of them.

    The last three are telemetry: None unless they were asked for."""

    logit_B: Tensor
    """Binding logit of each point."""
    auxiliary_B: Tensor | None
    """Logit of the neighbour-only head, or None without one."""
    alpha_B: Tensor
    """Gate value that was used in the mix (after clamp and, in training, dropout)."""
    live_alpha_B: Tensor
    """Gate value with its gradient, before clamp and dropout: the penalty acts on this one."""
    entropy_LH: Tensor | None
    """Attention entropy of the centre's token divided by its greatest possible value, the log of the valid tokens.

    1 is uniform. The mean over points whose context has a valid neighbour, 0 where there is none: the others have
    nothing to divide their attention among."""
    centre_norm: Tensor | None
    """Scalar: mean Euclidean norm of the encoded centre."""
    context_norm: Tensor | None
    """Scalar: mean Euclidean norm of the scaled context as it enters the mix."""
