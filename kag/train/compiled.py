"""The network of a training step, compiled for each shape of its batches.

Batches are padded (`kag.data.rows.recurring`), so that an epoch has few shapes. Evaluation is not compiled: its batches
are whole proteins of any size, and its numbers are those of the delivered weights, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kag.model.network import Network

MOST_SHAPES = 64
"""Shapes that are compiled before the network runs as it is written; torch's own limit is 8, and an epoch may have
points of two sizes, contexts and residues of a few."""


@contextmanager
def compiled(network: Network, backend: str = "inductor") -> Iterator[None]:
    """Compile each shape when it first comes, inside the block.

    Raises:
        torch._dynamo.exc.Unsupported: the network cannot be compiled as a whole.
    """
    import torch._dynamo

    network.compile(backend=backend, dynamic=False, fullgraph=True)
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"  # torch 2.6
    with torch._dynamo.config.patch({limit: MOST_SHAPES}):
        yield
