"""The gate: its start, its limits, its dropout, and that its penalty trains it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kag.model.gate import Gate
from kag.model.losses import gate_penalty
from kag.spec.model import GateSpec
from tests.october import october_model

KINDS = ["mlp", "scalar", "fixed"]
TRAINED = KINDS[:2]


def gate_of(**changes: Any) -> Gate:
    torch.manual_seed(0)
    return Gate(october_model({"gate": changes}).gate, 6)


def sides(contexts: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    return torch.randn(contexts, 6, generator=draw), torch.randn(contexts, 6, generator=draw)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
def test_alpha_starts_at_initial_whatever_the_temperature(kind: str, temperature: float) -> None:
    alpha_C = gate_of(kind=kind, initial=0.83, temperature=temperature).live(*sides())
    assert torch.allclose(alpha_C, torch.full((8,), 0.83), atol=1e-6)


def test_temperature_softens_a_trained_gate() -> None:
    hard, soft = gate_of(temperature=0.5), gate_of(temperature=3.0)
    for gate in (hard, soft):
        torch.nn.init.normal_(gate.mlp[-1].weight, std=0.2, generator=torch.Generator().manual_seed(0))
    assert soft.live(*sides()).std() < 0.5 * hard.live(*sides()).std()


def test_mlp_sees_both_sides() -> None:
    gate, (centre_CW, context_CW) = gate_of(), sides()
    torch.nn.init.normal_(gate.mlp[-1].weight)
    alpha_C = gate.live(centre_CW, context_CW)
    assert not torch.allclose(gate.live(centre_CW.flip(0), context_CW), alpha_C)
    assert not torch.allclose(gate.live(centre_CW, context_CW.flip(0)), alpha_C)


def test_fixed_has_no_parameter() -> None:
    assert list(gate_of(kind="fixed").parameters()) == []


@pytest.mark.parametrize("over", ["sample", "batch"])
@pytest.mark.parametrize("kind", TRAINED)
def test_f1_the_penalty_trains_the_gate(kind: str, over: str) -> None:
    spec = GateSpec.model_validate({"kind": kind, "penalty": {"over": over, "target": 0.6}})
    gate = Gate(spec, 6)
    before = gate_penalty(gate.live(*sides()), spec.penalty)
    before.backward()
    assert max(float(p.grad.abs().max()) for p in gate.parameters()) > 1e-3
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.sub_(0.1 * parameter.grad)
    assert gate_penalty(gate.live(*sides()), spec.penalty) < before


@pytest.mark.parametrize("kind", TRAINED)
def test_f2_the_penalty_acts_on_the_live_alpha(kind: str) -> None:
    gate = gate_of(kind=kind, initial=0.5, clamp=(0.8, 0.9), dropout={"rate": 0.999, "target": 0.6}).train()
    live_C = gate.live(*sides())
    used_C = gate.used(live_C)
    assert not torch.equal(used_C, live_C)
    penalty = gate_penalty(live_C, gate.spec.penalty)
    assert penalty.item() == pytest.approx(0.1, abs=1e-6)
    penalty.backward()
    assert max(float(p.grad.abs().max()) for p in gate.parameters()) > 1e-3


def test_penalty_over_the_batch_is_satisfied_by_the_mean_alone() -> None:
    alpha_B = torch.tensor([0.2, 1.0])
    spec = GateSpec().penalty
    assert gate_penalty(alpha_B, spec.model_copy(update={"over": "batch"})) == pytest.approx(0.0, abs=1e-6)
    assert gate_penalty(alpha_B, spec) == pytest.approx(0.4)


def test_clamp_is_hard_in_training_and_evaluation() -> None:
    live_B = torch.tensor([0.05, 0.5, 0.97])
    for gate in (gate_of(clamp=(0.3, 0.7), dropout={"rate": 0.0}).train(), gate_of(clamp=(0.3, 0.7)).eval()):
        assert torch.allclose(gate.used(live_B), torch.tensor([0.3, 0.5, 0.7]))


def test_dropout_hits_single_points_at_its_rate_in_training_only() -> None:
    gate = gate_of(dropout={"rate": 0.25, "target": 0.55})
    live_B = torch.full((20_000,), 0.9)
    used_B = gate.train().used(live_B)
    hit_B = used_B == 0.55
    assert torch.equal(used_B[~hit_B], live_B[~hit_B])
    assert float(hit_B.float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(gate.eval().used(live_B), live_B)


def test_dropout_rate_of_the_epoch_is_used_and_saved() -> None:
    spec = {"rate": {"start": 0.9, "end": 0.1, "epochs": 4}}
    gate = gate_of(dropout=spec)
    for epoch, rate in [(0, 0.9), (2, 0.5), (9, 0.1)]:
        gate.set_epoch(epoch)
        assert float(gate.state_dict()["dropout_rate"]) == pytest.approx(rate)
        share = (gate.train().used(torch.full((20_000,), 0.9)) != 0.9).float().mean()
        assert float(share) == pytest.approx(rate, abs=0.02)


def test_forced_dropout_replaces_the_draw() -> None:
    gate, live_B = gate_of(dropout={"rate": 0.5, "target": 0.55}).train(), torch.full((50,), 0.9)
    assert torch.equal(gate.used(live_B, forced_dropout=False), live_B)
    assert torch.equal(gate.used(live_B, forced_dropout=True), torch.full((50,), 0.55))
