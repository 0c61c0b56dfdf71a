"""`model.gate.kind: closed`: a model without neighbours, and without anything that would look at them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kag.errors import SpecError
from kag.model.branches import every_branch
from kag.model.network import Network

CLOSED = {"gate.kind": "closed", "gate.penalty": {"weight": 0.0}, "auxiliary": None}


@pytest.fixture
def network(make_spec: Any, make_network: Any) -> Network:
    return make_network(make_spec(CLOSED))


def test_neighbours_and_distances_change_nothing(network: Network, make_batch: Any) -> None:
    batch = make_batch()
    other = batch.with_residues(batch.centre_CD, batch.neighbour_CKD + 1.0)._replace(distance_CK=batch.distance_CK / 2)
    network.eval()
    assert torch.equal(network(batch).logit_B, network(other).logit_B)
    moved = batch.with_residues(batch.centre_CD + 1.0, batch.neighbour_CKD)
    assert not torch.allclose(network(batch).logit_B, network(moved).logit_B)


def test_every_parameter_gets_a_gradient_in_every_branch(network: Network, make_batch: Any, gradients: Any) -> None:
    assert not [name for name, _ in network.named_parameters() if name.startswith(("attention", "context", "gate"))]
    for branches in every_branch():
        found = gradients(network, network.train()(make_batch(), branches).logit_B.square().sum())
        assert not [name for name, gradient in found.items() if gradient is None]


def test_alpha_is_one_and_nothing_is_told_of_attention(network: Network, make_batch: Any) -> None:
    scores = network.eval()(make_batch(), telemetry=True)
    assert bool((scores.alpha_B == 1.0).all())
    assert (scores.entropy_LH, scores.context_norm, scores.auxiliary_B) == (None, None, None)
    assert float(scores.centre_norm) > 0.0


def test_an_auxiliary_head_has_nothing_to_see(make_spec: Any, make_network: Any) -> None:
    with pytest.raises(SpecError, match="sees neighbours alone"):
        make_network(make_spec({**CLOSED, "auxiliary": {}}))
