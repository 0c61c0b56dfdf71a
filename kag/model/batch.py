"""What goes into the network and what comes out of it.

Shape letters: B points of a batch, C distinct contexts among them, K neighbours, D embedding, F tabular columns,
L attention layers, H attention heads, W the last encoder width.

A *context* is a centre residue with its neighbours and distances. Points on the surface of one residue share it, so
attention, gate and residue encoders may be computed once per context: `context_B` says which row of the C axis each
point uses. Where nothing is shared, C = B and `context_B` is 0, 1, 2, ...
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Points of a batch, gathered on the device."""

    tabular_BF: Tensor
    """float32, as in the file; the network transforms and standardises."""
    label_B: Tensor
    """float32, 0 or 1."""
    context_B: Tensor
    """int64, row of the C axis that belongs to each point."""
    centre_CD: Tensor
    """Embedding of the centre residue."""
    neighbour_CKD: Tensor
    """Embeddings of the neighbours; zeros where `valid_CK` is False."""
    distance_CK: Tensor
    """Angstrom, float32, at most `data.max_distance`; a missing neighbour has exactly that."""
    valid_CK: Tensor
    """bool: the neighbour exists and is not farther than `data.max_distance`."""
    index_B: Tensor
    """int64, row of each point in the file."""


class Scores(NamedTuple):
    """Facts of one forward pass. The network keeps none of them."""

    logit_B: Tensor
    """Binding logit of each point."""
    auxiliary_B: Tensor | None
    """Logit of the neighbour-only head, or None without one."""
    alpha_B: Tensor
    """Gate value that was used in the mix (after clamp and, in training, dropout)."""
    live_alpha_B: Tensor
    """Gate value with its gradient, before clamp and dropout: the penalty acts on this one."""
    entropy_LH: Tensor
    """Attention entropy of the centre's token divided by its greatest possible value, the log of the valid tokens.

    1 is uniform. The mean over points whose context has a valid neighbour, 0 where there is none: the others have
    nothing to divide their attention among."""
    centre_norm: Tensor
    """Scalar: mean Euclidean norm of the encoded centre."""
    context_norm: Tensor
    """Scalar: mean Euclidean norm of the scaled context as it enters the mix."""
