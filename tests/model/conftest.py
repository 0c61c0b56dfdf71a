"""A small model and batches for it: 5 columns, 8-wide embeddings, 3 neighbours, 30 angstrom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from kag.model.batch import Batch
from kag.model.network import Network
from kag.spec.model import ModelSpec
from tests.october import october_model

FEATURES, EMBEDDING, NEIGHBOURS, MAX_DISTANCE = 5, 8, 3, 30.0

MakeSpec = Callable[[Mapping[str, Any]], ModelSpec]


def _with(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    return {**tree, head: _with(tree.get(head) or {}, rest, value) if rest else value}


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """October's `ModelSpec` with small widths and without random masks; dotted keys change it."""

    def make(changes: Mapping[str, Any] | None = None) -> ModelSpec:
        small: dict[str, Any] = {
            "hidden": (12, 8),
            "norm": "layer",
            "dropout": 0.0,
            "modality_dropout": 0.0,
            "attention": {"width": 12, "heads": 3, "layers": 2, "feedforward": 10, "dropout": 0.0},
            "gate": {"dropout": {"rate": 0.0}},
        }
        tree = october_model(small).model_dump(mode="json")
        for key, value in (changes or {}).items():
            tree = _with(tree, key, value)
        return ModelSpec.model_validate(tree)

    return make


@pytest.fixture(scope="session")
def make_network() -> Callable[[ModelSpec], Network]:
    """A network whose parameters, gate included, are random: at its start a gate gives one alpha to all."""

    def make(spec: ModelSpec, seed: int = 0, spread: float = 0.2) -> Network:
        torch.manual_seed(seed)
        network = Network(spec, features=FEATURES, embedding=EMBEDDING, max_distance=MAX_DISTANCE)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(spread * torch.randn_like(parameter))
            if network.gate is not None and network.gate.mlp is not None:
                # Zero-sum weights: contexts then differ in alpha on both sides of the initial one.
                weight = torch.randn_like(network.gate.mlp[-1].weight)
                network.gate.mlp[-1].weight.copy_(weight - weight.mean())
        return network

    return make


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Random points that share contexts; every context has a valid neighbour unless `valid` says otherwise."""

    def make(points: int = 24, contexts: int = 10, valid: float = 0.7, seed: int = 1) -> Batch:
        draw = torch.Generator().manual_seed(seed)
        valid_CK = torch.rand(contexts, NEIGHBOURS, generator=draw) < valid
        valid_CK[:, 0] |= valid > 0
        distance_CK = torch.rand(contexts, NEIGHBOURS, generator=draw) * (MAX_DISTANCE - 1.0)
        neighbour_CKD = torch.randn(contexts, NEIGHBOURS, EMBEDDING, generator=draw)
        label_B = (torch.rand(points, generator=draw) < 0.3).float()
        label_B[:2] = torch.tensor([0.0, 1.0])
        batch = Batch(
            tabular_BF=10.0 * torch.randn(points, FEATURES, generator=draw),
            label_B=label_B,
            context_B=torch.cat([torch.arange(contexts), torch.randint(contexts, (points,), generator=draw)])[:points],
            residue_UD=torch.empty(0, EMBEDDING),
            token_CT=None,
            distance_CK=torch.where(valid_CK, distance_CK, MAX_DISTANCE),
            valid_CK=valid_CK,
            index_B=torch.arange(points),
        )
        centre_CD = torch.randn(contexts, EMBEDDING, generator=draw)
        return batch.with_residues(centre_CD, neighbour_CKD * valid_CK.unsqueeze(-1))

    return make


@pytest.fixture(scope="session")
def gradients() -> Callable[[nn.Module, torch.Tensor], dict[str, torch.Tensor | None]]:
    """Gradient of a scalar by parameter name; None where the graph does not reach the parameter."""

    def of(module: nn.Module, scalar: torch.Tensor) -> dict[str, torch.Tensor | None]:
        module.zero_grad(set_to_none=True)
        scalar.backward()
        return {name: parameter.grad for name, parameter in module.named_parameters()}

    return of
