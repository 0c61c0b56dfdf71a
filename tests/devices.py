"""Tests whose body runs on the CPU everywhere, and on GPUs where there are any."""

from __future__ import annotations

from typing import Any

import pytest
import torch


def on_gpus(*values: Any, count: int = 1) -> Any:
    """A parameter set, `cuda` first, that is marked `gpu` and skipped where fewer GPUs are."""
    there = torch.cuda.device_count()
    absent = pytest.mark.skipif(there < count, reason=f"{count} GPUs are needed, {there} are here")
    return pytest.param("cuda", *values, marks=[pytest.mark.gpu, absent], id="-".join(map(str, ("cuda", *values))))


def use(device: str, patch: pytest.MonkeyPatch) -> torch.device:
    """Let kag find this kind of device alone, in this process and in those that it starts."""
    if device == "cpu":
        patch.setattr("torch.cuda.is_available", lambda: False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
    return torch.device(device)
