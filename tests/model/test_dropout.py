"""Dropout is torch's own: what comes out, what goes back, and what is drawn next."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from kag.model.dropout import Dropout

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def used(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, gradient and state of the generator after both."""
    torch.manual_seed(7)
    x = x.detach().requires_grad_()
    y = layer(x)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    return y.detach(), x.grad, torch.get_rng_state()


def same(x: Tensor, rate: float, *, training: bool = True) -> None:
    each, of_torch = (used(layer.train(training), x) for layer in (Dropout(rate), nn.Dropout(rate)))
    for ours, torchs in zip(each, of_torch, strict=True):
        assert torch.equal(ours, torchs)
        assert ours.stride() == torchs.stride()


@given(st.floats(0.0, 1.0), st.lists(st.integers(0, 20), max_size=4), st.sampled_from(DTYPES))
def test_it_drops_and_scales_what_torch_does(rate: float, shape: list[int], dtype: torch.dtype) -> None:
    same(torch.ones(shape, dtype=dtype), rate)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_many_elements_are_drawn_in_the_order_of_their_strides(dtype: torch.dtype) -> None:
    x = torch.randn(40, 8, 31, 33).to(dtype)
    for laid_out in (x, x.transpose(1, 3), x[:, :, 1:], x[:, :, :1].expand(40, 8, 31, 33), x.permute(3, 1, 0, 2)[::2]):
        same(laid_out, 0.3)


def test_no_number_and_no_infinity_are_dropped_as_torch_drops_them() -> None:
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0]).repeat(50)
    for ours, torchs in zip(used(Dropout(0.5), x), used(nn.Dropout(0.5), x), strict=True):
        assert torch.equal(ours.isnan(), torchs.isnan())
        assert torch.equal(ours.nan_to_num(), torchs.nan_to_num())


def test_evaluation_draws_nothing() -> None:
    same(torch.ones(9), 0.4, training=False)


def test_where_torch_draws_otherwise_the_masks_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.model.dropout._masks_are_uniform_numbers", lambda: False)
    monkeypatch.setattr(Tensor, "uniform_", None)
    same(torch.ones(99), 0.3)
