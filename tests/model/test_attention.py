"""Attention: masks, distances on the key axis, pooling, entropy, and agreement with torch's own attention."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from kag.errors import SpecError
from kag.model.attention import ExponentialBias, NeighbourAttention, SelfAttention
from kag.spec.model import AttentionSpec

BIASES = ["learned", "exponential", "none"]
POOLINGS = ["mean", "max", "centre"]


def attention_of(**changes: Any) -> NeighbourAttention:
    torch.manual_seed(0)
    small = {"width": 12, "heads": 3, "layers": 2, "feedforward": 10, "dropout": 0.0}
    spec = AttentionSpec(**{**small, "distance_bias": "learned", "pooling": "mean", **changes})
    return NeighbourAttention(spec, embedding=8, max_distance=30.0).eval()


def attend(attention: NeighbourAttention, batch: Any, **changes: torch.Tensor) -> torch.Tensor:
    neighbour_CKD = changes.pop("neighbour_CKD", batch.neighbour_CKD)
    return attention(batch._replace(**changes).with_residues(batch.centre_CD, neighbour_CKD)).context_CW


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bias", BIASES)
def test_f3_distances_change_the_context_when_they_should(bias: str, pooling: str, make_batch: Any) -> None:
    attention, batch = attention_of(distance_bias=bias, pooling=pooling), make_batch(valid=1.0)
    near, far = torch.zeros(10, 3), torch.linspace(0.0, 30.0, 3).expand(10, 3)
    change = (attend(attention, batch, distance_CK=near) - attend(attention, batch, distance_CK=far)).abs().max()
    assert change == 0 if bias == "none" else change > 1e-3


@pytest.mark.parametrize("bias", BIASES[:2])
def test_f3_the_distance_bias_is_trained(bias: str, make_batch: Any) -> None:
    attention = attention_of(distance_bias=bias)
    attend(attention, make_batch()).square().sum().backward()
    for layer in attention.layers:
        for name, parameter in layer.attention.bias.named_parameters():
            assert parameter.grad.abs().max() > 1e-6, name


def test_exponential_bias_decays_with_angstrom_from_ten_at_first() -> None:
    distance_CT = torch.tensor([[0.0, 10.0, 25.0]])
    assert torch.allclose(torch.exp(ExponentialBias(2)(distance_CT))[0, 0], torch.exp(-distance_CT[0] / 10.0))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bias", BIASES)
def test_content_of_a_masked_neighbour_never_matters(bias: str, pooling: str, make_batch: Any) -> None:
    attention, batch = attention_of(distance_bias=bias, pooling=pooling), make_batch(valid=0.4)
    loud = torch.where(batch.valid_CK.unsqueeze(-1), batch.neighbour_CKD, 1000.0)
    elsewhere = torch.where(batch.valid_CK, batch.distance_CK, 3.0)
    expected = attend(attention, batch)
    assert torch.equal(attend(attention, batch, neighbour_CKD=loud, distance_CK=elsewhere), expected)
    quiet = torch.where(batch.valid_CK.unsqueeze(-1), batch.neighbour_CKD + 1.0, batch.neighbour_CKD)
    assert not torch.allclose(attend(attention, batch, neighbour_CKD=quiet), expected)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_context_without_neighbours_is_zero_and_its_gradient_finite(pooling: str, make_batch: Any) -> None:
    attention = attention_of(pooling=pooling)
    context_CW = attend(attention, make_batch(valid=0.0))
    assert torch.equal(context_CW, torch.zeros_like(context_CW))
    context_CW.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in attention.parameters() if p.grad is not None)


def test_a_context_without_neighbours_attends_to_its_centre_alone(make_batch: Any) -> None:
    attention, batch = attention_of(pooling="centre"), make_batch(valid=0.0)
    out = attention(batch, telemetry=True)
    assert torch.isfinite(out.context_CW).all()
    assert torch.equal(out.entropy_CLH, torch.zeros_like(out.entropy_CLH))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_the_order_of_neighbours_does_not_matter(pooling: str, make_batch: Any) -> None:
    attention, batch, order = attention_of(pooling=pooling), make_batch(valid=0.5), [2, 0, 1]
    turned = {name: getattr(batch, name)[:, order] for name in ("neighbour_CKD", "distance_CK", "valid_CK")}
    assert torch.allclose(attend(attention, batch, **turned), attend(attention, batch), atol=1e-5)


def test_entropy_is_one_when_all_tokens_weigh_alike(make_batch: Any) -> None:
    attention, batch = attention_of(distance_bias="none"), make_batch(valid=1.0)
    for layer in attention.layers:
        torch.nn.init.zeros_(layer.attention.query_key_value.weight)
    out = attention(batch, telemetry=True)
    assert torch.allclose(out.entropy_CLH, torch.ones_like(out.entropy_CLH), atol=1e-5)


def test_entropy_is_measured_by_the_tokens_that_a_context_has(make_batch: Any) -> None:
    """Without content the weights are exp(-distance / 10) over the valid tokens, so every value is known."""
    attention = attention_of(distance_bias="exponential", layers=1)
    torch.nn.init.zeros_(attention.layers[0].attention.query_key_value.weight)
    distance_CK = torch.tensor(
        [[10.0, 20.0, 5.0], [0.0, 0.0, 0.0], [0.0, 7.0, 9.0], [3.0, 30.0, 30.0], [1.0, 2.0, 3.0]]
    )
    valid_CK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]).bool()
    batch = make_batch(contexts=5)._replace(distance_CK=distance_CK, valid_CK=valid_CK)
    out = attention(batch, telemetry=True)

    def share_of_most(*distances: float) -> float:
        weights = [math.exp(-distance / 10.0) for distance in (0.0, *distances)]
        parts = [weight / sum(weights) for weight in weights]
        return -sum(part * math.log(part) for part in parts) / math.log(len(parts))

    expected = [share_of_most(10.0, 20.0, 5.0), 1.0, 1.0, share_of_most(3.0), 0.0]
    assert out.entropy_CLH[:, 0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_agrees_with_scaled_dot_product_attention(make_batch: Any) -> None:
    torch.manual_seed(0)
    spec = AttentionSpec(width=12, heads=3, dropout=0.0)
    ours = SelfAttention(spec, 30.0)
    token_CTW, distance_CT = torch.randn(5, 4, 12), 30.0 * torch.rand(5, 4)
    valid_CT = torch.tensor([True, True, False, True]).expand(5, 4)
    mask_CH1T = ours.bias(distance_CT)[:, :, None, :].masked_fill(~valid_CT[:, None, None, :], -math.inf)
    packed_CTQ = ours.query_key_value(token_CTW)
    query, key, value = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in packed_CTQ.chunk(3, -1))
    reference = F.scaled_dot_product_attention(query, key, value, attn_mask=mask_CH1T.expand(5, 3, 4, 4))
    expected = ours.output(reference.transpose(1, 2).flatten(2))
    out, entropy_CH = ours(*packed_CTQ.chunk(3, -1), distance_CT, valid_CT, slice(None), telemetry=True)
    assert torch.allclose(out, expected, atol=1e-5)
    weight_CHT = torch.softmax((query[:, :, :1] @ key.transpose(-2, -1)) / 2.0 + mask_CH1T, -1)[:, :, 0]
    assert torch.allclose(entropy_CH, torch.distributions.Categorical(weight_CHT).entropy(), atol=1e-5)


@pytest.mark.parametrize("width", [8, 12, 16, 400])
def test_the_scale_before_the_product_changes_no_bit(width: int) -> None:
    torch.manual_seed(0)
    ours = SelfAttention(AttentionSpec(width=width, heads=1, distance_bias="none"), 30.0)
    query, key, value = torch.randn(3, 40, 4, width)
    valid_CT = torch.rand(40, 4) < 0.7
    valid_CT[:, 0] = True
    _, entropy_CH = ours(query, key, value, valid_CT.float(), valid_CT, slice(None), telemetry=True)
    after_CTT = (query @ key.mT / math.sqrt(width)).masked_fill(~valid_CT[:, None, :], -math.inf)
    assert torch.equal(entropy_CH[:, 0], torch.special.entr(torch.softmax(after_CTT, -1)[:, 0]).sum(-1))


@pytest.mark.parametrize("kept", [slice(0, 1), slice(1, None)], ids=["the centre asks", "the neighbours ask"])
@pytest.mark.parametrize("width", [12, 16])
def test_a_product_that_16_bits_cannot_hold_is_scaled_before_it(width: int, kept: slice) -> None:
    ours = SelfAttention(AttentionSpec(width=width, heads=1, distance_bias="none"), 30.0).half()
    query = torch.full((2, 4, width), 80.0, dtype=torch.float16)
    valid_CT = torch.ones(2, 4, dtype=torch.bool)
    assert bool((query @ query.mT).isinf().all())
    out, entropy_CH = ours(query, query, query, torch.zeros(2, 4), valid_CT, kept, telemetry=True)
    assert bool(out.isfinite().all())
    assert torch.allclose(entropy_CH, torch.full((2, 1), math.log(4)))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(SpecError, match="5 heads do not divide the width 12"):
        attention_of(heads=5)
