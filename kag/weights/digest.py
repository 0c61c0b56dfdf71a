"""The name of weights: a SHA-256 of the numbers alone, whatever file or device holds them and in whatever order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import torch
from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (64 hex digits) over names, types, shapes and bytes of all tensors, sorted by name.

    Buffers count as weights: two networks with the same parameters and different schedules or normalisation
    statistics score differently, so they have different digests.
    """
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach()
        header = json.dumps([name, str(tensor.dtype), list(tensor.shape)])
        sha.update(header.encode() + b"\n")
        sha.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()
