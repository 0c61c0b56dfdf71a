"""Size of a model, counted from shapes, against the same counted or computed by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kag.model.network import Network
from kag.model.size import flops_per_sample, parameters, shape_network, training_memory
from tests.october import october_model

SHAPE = {"features": 5, "embedding": 8, "neighbours": 3}
OCTOBER = {"features": 35, "embedding": 2560, "neighbours": 3}


def test_parameters_are_those_of_the_real_network(make_spec: Any) -> None:
    spec = make_spec({"periodic": {}})
    real = Network(spec, features=5, embedding=8, max_distance=30.0)
    assert parameters(shape_network(spec, **SHAPE)) == sum(p.numel() for p in real.parameters())


def test_flops_are_two_for_each_multiply_add(make_spec: Any) -> None:
    spec = make_spec({"hidden": (6,), "attention.layers": 1, "auxiliary": None, "attention.distance_bias": "none"})
    width, feedforward, tokens = 12, 10, 4
    encoders = 5 * 6 + 8 * 6 + width * 6
    attention = tokens * (8 * width + 3 * width * width) + 2 * tokens * tokens * width - tokens * width
    kept = 3 * (width * width + 2 * width * feedforward)
    gate, classifier = 12 * 6 + 6, 18 * 6 + 6
    expected = 2 * (encoders + attention + kept + gate + classifier)
    assert flops_per_sample(spec, **SHAPE) == expected


def test_the_full_size_is_known_without_allocating_it() -> None:
    network = shape_network(october_model(), **OCTOBER)
    assert all(parameter.is_meta for parameter in network.parameters())
    assert parameters(network) == pytest.approx(72e6, rel=0.02)
    assert flops_per_sample(october_model(), **OCTOBER) == pytest.approx(508e6, rel=0.02)


def test_activations_are_what_autograd_keeps(make_spec: Any, make_batch: Any) -> None:
    spec = make_spec({"dropout": 0.2, "norm": "batch"})
    network = Network(spec, features=5, embedding=8, max_distance=30.0).train()
    batch = make_batch(points=40, contexts=40)
    tensors = [*network.parameters(), *network.buffers(), *(field for field in batch if field is not None)]
    own = {t.untyped_storage().data_ptr() for t in tensors}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(batch)
    measured = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    assert training_memory(spec, **SHAPE, batch_size=40).activations == pytest.approx(measured, rel=0.1)


def test_memory_counts_weights_gradients_and_moments(make_spec: Any) -> None:
    spec = make_spec()
    memory = training_memory(spec, **SHAPE, batch_size=64)
    weights = 4 * parameters(shape_network(spec, **SHAPE))
    assert (memory.gradients, memory.moments) == (weights, 2 * weights)
    assert memory.total == sum(memory)
    mixed = training_memory(spec, **SHAPE, batch_size=6400, precision="bf16-mixed")
    assert mixed.activations < training_memory(spec, **SHAPE, batch_size=6400).activations
