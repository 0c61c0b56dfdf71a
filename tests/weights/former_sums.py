"""What runs kept of their epochs before there were snapshots, as kag wrote it then: one file of sums an epoch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


def add_to_sums(folder: Path, network: nn.Module, *, epoch: int, version: int = 1) -> None:
    """Add the network, as it is at the end of an epoch, to the running sums in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    former = folder / f"epoch_{epoch - 1:04d}.pt"
    before = torch.load(former, weights_only=True) if former.exists() else None
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    content = {
        "format": "kag-sums",
        "version": version,
        "first": before["first"] if before else epoch,
        "epoch": epoch,
        "sums": {
            name: value.double() + before["sums"][name] if before else value.double()
            for name, value in parameters.items()
        },
        "buffers": {name: value for name, value in network.state_dict().items() if name not in parameters},
    }
    torch.save(content, folder / f"epoch_{epoch:04d}.pt")
