"""Residues that are projected once: the same bits in evaluation, the same gradients in training."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kag.model.batch import Batch
from kag.model.losses import Objective
from kag.model.network import Network
from kag.model.precision import FEWEST_ROWS
from kag.spec.run import LossSpec


class Shape(NamedTuple):
    contexts: int
    neighbours: int
    residues: int
    embedding: int
    heads: int
    head_width: int
    layers: int
    pooling: str
    norm: str
    bias: str


SHAPES = st.builds(
    Shape,
    contexts=st.integers(1, 60),
    neighbours=st.integers(1, 6),
    residues=st.integers(1, 80),
    embedding=st.sampled_from([1, 7, 8, 33, 64, 320]),
    heads=st.integers(1, 4),
    head_width=st.sampled_from([4, 13, 40, 100]),
    layers=st.integers(1, 3),
    pooling=st.sampled_from(["mean", "max", "centre"]),
    norm=st.sampled_from(["batch", "layer"]),
    bias=st.sampled_from(["learned", "exponential", "none"]),
)
OCTOBER = Shape(40, 3, 60, 320, 6, 100, 2, "mean", "batch", "learned")


def network_of(shape: Shape, make_spec: Any, **changes: Any) -> Network:
    width = {"attention.width": shape.heads * shape.head_width, "attention.heads": shape.heads}
    kinds = {"attention.layers": shape.layers, "attention.pooling": shape.pooling, "norm": shape.norm}
    spec = make_spec({**width, **kinds, "attention.distance_bias": shape.bias, **changes})
    torch.manual_seed(0)
    network = Network(spec, features=5, embedding=shape.embedding, max_distance=30.0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def shared_batch(shape: Shape, seed: int = 0) -> Batch:
    """Contexts over a few residues, as in a protein; masked neighbours point to any of them."""
    draw = torch.Generator().manual_seed(seed)
    contexts, tokens = shape.contexts, shape.neighbours + 1
    valid_CK = torch.rand(contexts, shape.neighbours, generator=draw) < 0.8
    residues = min(shape.residues, contexts * tokens)
    points = 2 * contexts
    return Batch(
        tabular_BF=torch.randn(points, 5, generator=draw),
        label_B=(torch.rand(points, generator=draw) < 0.3).float(),
        context_B=torch.arange(points) // 2,
        residue_UD=torch.randn(max(residues, min(FEWEST_ROWS, contexts * tokens)), shape.embedding, generator=draw),
        token_CT=torch.randint(residues, (contexts, tokens), generator=draw),
        distance_CK=torch.where(valid_CK, 30.0 * torch.rand(contexts, shape.neighbours, generator=draw), 30.0),
        valid_CK=valid_CK,
        index_B=torch.arange(points),
    )


def plain(batch: Batch) -> Batch:
    """The same with a row for each token."""
    return batch.with_residues(batch.centre_CD, batch.neighbour_CKD)


@given(shape=SHAPES)
@example(shape=OCTOBER)
@example(shape=OCTOBER._replace(contexts=1, residues=1))
@example(shape=OCTOBER._replace(contexts=15, layers=1))
@example(shape=OCTOBER._replace(contexts=16, neighbours=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_logits_are_those_of_a_row_for_each_token_bit_for_bit(shape: Shape, make_spec: Any) -> None:
    network, batch = network_of(shape, make_spec).eval(), shared_batch(shape)
    with torch.inference_mode():
        expected, found, told = network(plain(batch)), network(batch), network(batch, telemetry=True)
    for name in ("logit_B", "alpha_B", "auxiliary_B"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
        assert torch.equal(getattr(told, name), getattr(expected, name)), name


@pytest.mark.parametrize("pooling", ["mean", "max", "centre"])
@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_are_those_of_a_row_for_each_token(pooling: str, layers: int, make_spec: Any, gradients: Any) -> None:
    """In 64 bits, dropout drawn: nothing random lies before the gather, so both draw the same masks.

    Sums over fewer rows round differently, in 32 bits too: by less than 1e-4 of the largest gradient.
    """
    shape = OCTOBER._replace(embedding=33, head_width=4, pooling=pooling, layers=layers)
    network = network_of(shape, make_spec, **{"dropout": 0.2, "attention.dropout": 0.3, "gate.dropout.rate": 0.2})
    for kind, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-11)):
        network, found = network.to(kind).train(), []
        for batch in (shared_batch(shape), plain(shared_batch(shape))):
            wide = batch._replace(
                **{
                    name: getattr(batch, name).to(kind)
                    for name in ("tabular_BF", "label_B", "residue_UD", "distance_CK")
                }
            )
            torch.manual_seed(5)
            objective = Objective(LossSpec(), network.spec, 3.0).to(kind)
            found.append(gradients(network, objective(network(wide), wide).total))
        largest = max(float(gradient.abs().max()) for gradient in found[1].values())
        for name, gradient in found[0].items():
            assert gradient.abs().max() > 0 or name.endswith("bias"), name
            assert float((gradient - found[1][name]).abs().max()) < tolerance * largest, name


def test_telemetry_is_told_on_demand_and_changes_no_score(make_spec: Any) -> None:
    network, batch = network_of(OCTOBER, make_spec).eval(), shared_batch(OCTOBER)
    with torch.inference_mode():
        silent, told = network(batch), network(plain(batch), telemetry=True)
        again = network(batch, telemetry=True)
    telemetry = ("entropy_LH", "centre_norm", "context_norm")
    assert [getattr(silent, name) for name in telemetry] == [None] * 3
    for name in telemetry:
        assert torch.equal(getattr(again, name), getattr(told, name)), name
