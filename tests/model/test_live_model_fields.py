"""Every field of `model` and `loss` is live: another value changes an output, a loss, a gradient or a schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from kag.model.losses import Objective
from kag.spec.flat import flatten
from kag.spec.model import ModelSpec
from kag.spec.run import LossSpec

BASE: Mapping[str, Any] = {
    "model.hidden": [12, 8],
    "model.dropout": 0.2,
    "model.modality_dropout": 0.2,
    "model.norm": "batch",
    "model.activation": "relu",
    "model.embedding_norm": "none",
    "model.periodic.frequencies": 3,
    "model.periodic.sigma": 0.1,
    "model.periodic.width": 2,
    "model.attention.heads": 3,
    "model.attention.layers": 2,
    "model.attention.width": 12,
    "model.attention.feedforward": 10,
    "model.attention.dropout": 0.2,
    "model.attention.distance_bias": "learned",
    "model.attention.pooling": "mean",
    "model.gate.kind": "mlp",
    "model.gate.initial": 0.5,
    "model.gate.clamp": [0.2, 0.9],
    "model.gate.temperature": 1.5,
    "model.gate.penalty.weight.start": 0.2,
    "model.gate.penalty.weight.end": 0.05,
    "model.gate.penalty.weight.epochs": 4,
    "model.gate.penalty.weight.shape": "linear",
    "model.gate.penalty.target": 0.6,
    "model.gate.penalty.over": "sample",
    "model.gate.dropout.rate.start": 0.4,
    "model.gate.dropout.rate.end": 0.1,
    "model.gate.dropout.rate.epochs": 4,
    "model.gate.dropout.rate.shape": "linear",
    "model.gate.dropout.target": 0.55,
    "model.gate.context_norm": True,
    "model.gate.context_scale.start": 0.5,
    "model.gate.context_scale.end": 1.0,
    "model.gate.context_scale.epochs": 4,
    "model.gate.context_scale.shape": "linear",
    "model.auxiliary.weight.start": 0.2,
    "model.auxiliary.weight.end": 0.05,
    "model.auxiliary.weight.epochs": 4,
    "model.auxiliary.weight.shape": "linear",
    "model.auxiliary.distance_temperature": 6.0,
    "loss.kind": "asymmetric",
    "loss.pos_weight.start": 3.0,
    "loss.pos_weight.end": 5.0,
    "loss.pos_weight.epochs": 4,
    "loss.pos_weight.shape": "linear",
    "loss.gamma": 2.0,
    "loss.margin": 0.05,
    "loss.label_smoothing": 0.0,
    "loss.warmup.kind": "bce",
    "loss.warmup.epochs": 2,
}

OTHERS: Mapping[str, tuple[Any, ...]] = {
    "model.hidden": ([12, 6], [12, 8, 8]),
    "model.dropout": (0.0, 0.4),
    "model.modality_dropout": (0.0, 0.6),
    "model.norm": ("layer",),
    "model.activation": ("gelu",),
    "model.embedding_norm": ("layer",),
    "model.periodic.frequencies": (4,),
    "model.periodic.sigma": (0.5,),
    "model.periodic.width": (3,),
    "model.attention.heads": (2, 4),
    "model.attention.layers": (1, 3),
    "model.attention.width": (24,),
    "model.attention.feedforward": (11,),
    "model.attention.dropout": (0.0, 0.4),
    "model.attention.distance_bias": ("exponential", "none"),
    "model.attention.pooling": ("max", "centre"),
    "model.gate.kind": ("scalar", "fixed"),
    "model.gate.initial": (0.7,),
    "model.gate.clamp": (None, [0.2, 0.5], [0.55, 0.9]),
    "model.gate.temperature": (1.0, 3.0),
    "model.gate.penalty.target": (0.3,),
    "model.gate.penalty.over": ("batch",),
    "model.gate.dropout.target": (0.9,),
    "model.gate.context_norm": (False,),
    "model.auxiliary.distance_temperature": (None, 2.0),
    "loss.kind": ("bce", "focal"),
    "loss.gamma": (0.0, 1.0),
    "loss.margin": (0.0, 0.2),
    "loss.label_smoothing": (0.1,),
    "loss.warmup.kind": ("focal", "asymmetric"),
    "loss.warmup.epochs": (1, 4),
}

RAMP_OTHERS: Mapping[str, tuple[Any, ...]] = {
    "start": (0.3,),
    "end": (0.15,),
    "epochs": (2, 8),
    "shape": ("cosine", "step"),
}

CASES = [
    (key, other) for key in BASE for other in (OTHERS[key] if key in OTHERS else RAMP_OTHERS[key.rsplit(".", 1)[-1]])
]

Observe = Callable[[Mapping[str, Any]], list[Tensor]]


def _tree(leaves: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in leaves.items():
        *path, last = key.split(".")
        node = tree
        for name in path:
            node = node.setdefault(name, {})
        node[last] = value
    return tree


@pytest.fixture(scope="module")
def observe(make_network: Any, make_batch: Any) -> Observe:
    """Outputs, losses and gradients of a few epochs, from a fixed seed at each step."""
    batch = make_batch(points=60, contexts=40)

    def at(leaves: Mapping[str, Any]) -> list[Tensor]:
        tree = _tree(leaves)
        model = ModelSpec.model_validate(tree["model"])
        network = make_network(model, spread=0.3)
        objective = Objective(LossSpec.model_validate(tree["loss"]), model, 4.0)
        seen: list[Tensor] = []
        for epoch in (0, 1, 3, 9):
            network.set_epoch(epoch)
            objective.set_epoch(epoch)
            torch.manual_seed(7)
            network.zero_grad()
            scores = network.train()(batch)
            losses = objective(scores, batch)
            losses.total.backward()
            with torch.no_grad():
                seen += [network.eval()(batch).logit_B, scores.logit_B.detach(), losses.total.detach()]
            seen += [parameter.grad.clone() for parameter in network.parameters()]
        return seen

    return at


@pytest.fixture(scope="module")
def expected(observe: Observe) -> list[Tensor]:
    return observe(BASE)


def test_the_list_names_every_field() -> None:
    tree = _tree(BASE)
    model, loss = ModelSpec.model_validate(tree["model"]), LossSpec.model_validate(tree["loss"])
    fields = flatten({"model": model.model_dump(mode="json"), "loss": loss.model_dump(mode="json")})
    assert set(fields) == set(BASE)


def test_the_observation_is_repeatable(observe: Observe, expected: list[Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(observe(BASE), expected, strict=True))


@pytest.mark.parametrize(("key", "other"), CASES, ids=lambda value: str(value))
def test_another_value_changes_a_result(key: str, other: Any, observe: Observe, expected: list[Tensor]) -> None:
    assert other != BASE[key]
    seen = observe({**BASE, key: other})
    changed = len(seen) != len(expected) or any(
        a.shape != b.shape or not torch.allclose(a, b, rtol=1e-4, atol=1e-6)
        for a, b in zip(seen, expected, strict=True)
    )
    assert changed


@pytest.mark.parametrize("section", ["model.periodic", "model.auxiliary", "loss.warmup"])
def test_leaving_a_section_out_changes_a_result(section: str, observe: Observe, expected: list[Tensor]) -> None:
    leaves = {key: value for key, value in BASE.items() if not key.startswith(section)} | {section: None}
    seen = observe(leaves)
    assert len(seen) != len(expected) or not all(torch.allclose(a, b) for a, b in zip(seen, expected, strict=True))


def test_auto_pos_weight_is_the_given_ratio(observe: Observe) -> None:
    leaves = {key: value for key, value in BASE.items() if not key.startswith("loss.pos_weight")}
    auto, same = observe({**leaves, "loss.pos_weight": "auto"}), observe({**leaves, "loss.pos_weight": 4.0})
    assert all(torch.equal(a, b) for a, b in zip(auto, same, strict=True))
