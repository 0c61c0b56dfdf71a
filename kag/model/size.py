"""How large a model is, before it exists: parameters, FLOPs and memory, from shapes alone (no weight is allocated)."""

from __future__ import annotations

import math
from typing import NamedTuple, TypedDict, Unpack

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from kag.model.batch import Batch
from kag.model.network import Network
from kag.spec.model import ModelSpec
from kag.spec.run import Precision

PROBE_POINTS = 4
"""Points of the batch of shapes; what is counted is linear in it."""


class Sizes(TypedDict):
    """What a step costs by its data: tabular columns, width of an embedding, neighbours of a residue."""

    features: int
    embedding: int
    neighbours: int


class Memory(NamedTuple):
    """Bytes of a training step."""

    parameters: int
    """Weights and buffers."""
    gradients: int
    moments: int
    """Both Adam moments."""
    activations: int
    """What forward keeps for backward, and under mixed precision the 16-bit copies of the weights."""
    batch: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def parameters(network: nn.Module) -> int:
    """Trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def shape_network(spec: ModelSpec, **sizes: Unpack[Sizes]) -> Network:
    """The network without storage: it knows every shape and no value."""
    with torch.device("meta"):
        return Network(spec, features=sizes["features"], embedding=sizes["embedding"], max_distance=1.0)


def flops_per_sample(spec: ModelSpec, **sizes: Unpack[Sizes]) -> int:
    """Floating-point operations of the forward pass of one point with a context of its own (2 per multiply-add)."""
    return forward_flops(spec, points=PROBE_POINTS, contexts=PROBE_POINTS, residues=None, **sizes) // PROBE_POINTS


def forward_flops(spec: ModelSpec, *, points: int, contexts: int, residues: int | None, **sizes: Unpack[Sizes]) -> int:
    """Floating-point operations of the forward pass of a batch, or of several together.

    Args:
        points: B.
        contexts: C, distinct ones where points share them.
        residues: U, distinct ones where contexts share them; None: each token has a row of its own.
    """
    network = shape_network(spec, **sizes).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(_shape_batch(points, contexts, residues, **sizes))
    flops: int = counter.get_total_flops()
    return flops


def training_memory(
    spec: ModelSpec, *, batch_size: int, precision: Precision = "32-true", **sizes: Unpack[Sizes]
) -> Memory:
    """Bytes of a training step, all points with contexts of their own.

    Counted: weights, their gradients, both Adam moments, the batch, and every tensor that autograd keeps for backward,
    found by a forward pass of shapes. Under mixed precision activations are taken at half their size and each weight
    has a 16-bit copy. Not counted: the residue table, temporary tensors inside one operation (a few of the largest
    activation), what the allocator and the libraries hold. Expect a process to need this plus about 1 GiB.
    """
    network = shape_network(spec, **sizes).train()
    batch = _shape_batch(PROBE_POINTS, PROBE_POINTS, None, **sizes)
    weights = sum(_bytes(tensor) for tensor in network.parameters())
    buffers = sum(_bytes(tensor) for tensor in network.buffers())
    kept = _kept_for_backward(network, batch) * batch_size // PROBE_POINTS
    inputs = sum(_bytes(tensor) for tensor in batch if tensor is not None) * batch_size // PROBE_POINTS
    if precision.endswith("-mixed"):
        kept = kept // 2 + weights // 2
    return Memory(weights + buffers, weights, 2 * weights, kept, inputs)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _shape_batch(
    points: int, contexts: int, residues: int | None, *, features: int, embedding: int, neighbours: int
) -> Batch:
    tokens = contexts, neighbours + 1
    with torch.device("meta"):
        return Batch(
            tabular_BF=torch.empty(points, features),
            label_B=torch.empty(points),
            context_B=torch.empty(points, dtype=torch.int64),
            residue_UD=torch.empty(residues or math.prod(tokens), embedding),
            token_CT=None if residues is None else torch.empty(tokens, dtype=torch.int64),
            distance_CK=torch.empty(contexts, neighbours),
            valid_CK=torch.empty(contexts, neighbours, dtype=torch.bool),
            index_B=torch.empty(points, dtype=torch.int64),
        )


def _kept_for_backward(network: Network, batch: Batch) -> int:
    """Bytes of distinct storages that autograd keeps, without weights and the batch itself."""
    tensors = (*network.parameters(), *network.buffers(), *batch)
    known = {_storage(tensor) for tensor in tensors if tensor is not None}
    kept: dict[int, tuple[Tensor, int]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage not in known:
            kept[storage] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(batch)
    return sum(size for _, size in kept.values())


def _storage(tensor: Tensor) -> int:
    identity: int = tensor.untyped_storage()._cdata
    return identity
