"""Encoder: what normalisation does with one row."""

from __future__ import annotations

import pytest
import torch

from kag.model.encoder import BatchNorm, Encoder
from kag.spec.model import ModelSpec


def test_one_row_is_normalised_by_the_running_statistics() -> None:
    torch.manual_seed(0)
    norm = BatchNorm(4)
    for _ in range(50):
        norm(3.0 * torch.randn(64, 4) + 2.0)
    before = norm.running_mean.clone()
    row = torch.randn(1, 4, requires_grad=True)
    trained = norm(row)
    assert torch.equal(norm.running_mean, before)
    assert torch.equal(trained, norm.eval()(row))
    trained.sum().backward()
    assert norm.weight.grad is not None
    assert torch.isfinite(row.grad).all()


def test_rows_of_a_batch_are_normalised_together_in_training() -> None:
    torch.manual_seed(0)
    out = BatchNorm(4)(5.0 * torch.randn(100, 4) + 7.0)
    assert torch.allclose(out.mean(0), torch.zeros(4), atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_every_width_is_used(norm: str) -> None:
    torch.manual_seed(0)
    encoder = Encoder(3, (7, 5), ModelSpec.model_validate({"norm": norm, "dropout": 0.0}))
    out = encoder(torch.randn(6, 3))
    assert out.shape == (6, 5)
    out.square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
