"""The network as a whole: sharing, masks, checkpoints, stochastic branches, number formats."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from kag.model.batch import Batch
from kag.model.branches import Branches, every_branch
from kag.model.losses import Objective
from kag.spec.run import LossSpec


def unshared(batch: Batch) -> Batch:
    """The same points, each with a context of its own."""
    rows = batch.context_B
    own = batch._replace(
        context_B=torch.arange(len(rows)), distance_CK=batch.distance_CK[rows], valid_CK=batch.valid_CK[rows]
    )
    return own.with_residues(batch.centre_CD[rows], batch.neighbour_CKD[rows])


def floating(field: torch.Tensor | None) -> bool:
    return field is not None and field.is_floating_point()


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("pooling", ["mean", "max", "centre"])
def test_shared_contexts_score_as_the_plain_path(
    norm: str, pooling: str, make_spec: Any, make_network: Any, make_batch: Any
) -> None:
    network = make_network(make_spec({"norm": norm, "attention.pooling": pooling}))
    batch = make_batch()
    network.train()(batch)
    with torch.no_grad():
        shared, plain = network.eval()(batch, telemetry=True), network(unshared(batch), telemetry=True)
    for name, fact in shared._asdict().items():
        assert torch.allclose(fact, getattr(plain, name), atol=1e-6, rtol=1e-6), name


@pytest.mark.parametrize("over", ["sample", "batch"])
@pytest.mark.parametrize("kind", ["mlp", "scalar"])
def test_f1_f2_the_penalty_trains_the_gate_behind_clamp_and_dropout(
    kind: str, over: str, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    changes = {"gate.kind": kind, "gate.initial": 0.5, "gate.clamp": (0.98, 0.99), "gate.dropout.rate": 0.999}
    spec = make_spec({**changes, "gate.penalty.over": over, "gate.penalty.target": 0.9, "gate.penalty.weight": 1.0})
    network, batch = make_network(spec).train(), make_batch()
    scores = network(batch)
    assert (scores.live_alpha_B < 0.98).all()
    losses = Objective(LossSpec(), spec, 3.0)(scores, batch)
    grads = gradients(network, losses.total - losses.main - spec.auxiliary.weight.at(0) * losses.auxiliary)
    largest = {name: grad.abs().max() for name, grad in grads.items() if name.startswith("gate.")}
    assert largest
    assert min(largest.values()) > 1e-3


@pytest.mark.parametrize("bias", ["learned", "exponential", "none"])
def test_f3_distances_change_the_logits_when_they_should(
    bias: str, make_spec: Any, make_network: Any, make_batch: Any
) -> None:
    network = make_network(make_spec({"attention.distance_bias": bias})).eval()
    near = make_batch(valid=1.0)
    far = near._replace(distance_CK=near.distance_CK.flip(1))
    change = (network(near).logit_B - network(far).logit_B).abs().max()
    assert change == 0 if bias == "none" else change > 1e-4


def test_neighbours_change_the_logits_and_masked_ones_do_not(
    make_spec: Any, make_network: Any, make_batch: Any
) -> None:
    network, batch = make_network(make_spec()).eval(), make_batch(valid=0.5)
    valid_CK1 = batch.valid_CK.unsqueeze(-1)
    loud = batch.with_residues(batch.centre_CD, torch.where(valid_CK1, batch.neighbour_CKD, 500.0))
    blind = batch.with_residues(batch.centre_CD, torch.zeros_like(batch.neighbour_CKD))
    expected = network(batch).logit_B
    assert torch.equal(network(loud).logit_B, expected)
    assert not torch.allclose(network(blind).logit_B, expected, atol=1e-3)


@pytest.mark.parametrize("pooling", ["mean", "max", "centre"])
def test_points_without_neighbours_are_finite(
    pooling: str, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    spec = make_spec({"attention.pooling": pooling})
    network, batch = make_network(spec).train(), make_batch(valid=0.0)
    losses = Objective(LossSpec(), spec, 20.0)(network(batch), batch)
    grads = gradients(network, losses.total)
    assert torch.isfinite(losses.total)
    assert all(torch.isfinite(grad).all() for grad in grads.values())


def test_f11_schedules_travel_in_the_state_dict(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    changes = {
        "gate.context_scale": {"start": 0.2, "end": 2.0, "epochs": 6},
        "gate.dropout.rate": {"start": 0.5, "end": 0.1, "epochs": 6},
        "periodic": {"frequencies": 3, "width": 2},
        "norm": "batch",
    }
    spec, batch = make_spec(changes), make_batch()
    network, fresh = make_network(spec), make_network(spec, seed=9)
    network.set_statistics(torch.randn(5), torch.rand(5) + 1.0)
    network.train()(batch)
    start = network.eval()(batch).logit_B
    network.set_epoch(3)
    assert not torch.allclose(network(batch).logit_B, start)
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh.eval()(batch).logit_B, network(batch).logit_B)
    torch.manual_seed(4)
    expected = network.train()(batch)
    torch.manual_seed(4)
    assert torch.equal(fresh.train()(batch).alpha_B, expected.alpha_B)


@pytest.mark.parametrize("forced", list(every_branch()), ids=str)
@pytest.mark.parametrize("kind", ["mlp", "scalar", "fixed"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_f13_every_parameter_has_a_gradient_in_every_branch(
    norm: str, kind: str, forced: Branches, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    spec = make_spec({"norm": norm, "gate.kind": kind, "periodic": {}, "modality_dropout": 0.5, "dropout": 0.2})
    network, batch = make_network(spec).train(), make_batch()
    losses = Objective(LossSpec(), spec, 3.0)(network(batch, forced), batch)
    missing = [name for name, grad in gradients(network, losses.total).items() if grad is None]
    assert missing == []


def test_without_masks_every_parameter_is_moved(
    make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    spec = make_spec({"periodic": {}})
    network, batch = make_network(spec).train(), make_batch(points=200, contexts=120)
    losses = Objective(LossSpec(), spec, 3.0)(network(batch), batch)
    still = [name for name, grad in gradients(network, losses.total).items() if not grad.abs().max() > 1e-8]
    assert still == []


@pytest.mark.parametrize(("side", "silent"), [("tabular", "tabular_encoder"), ("residue", "centre_encoder")])
def test_a_masked_side_has_no_say(
    side: str, silent: str, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    network, batch = make_network(make_spec({"auxiliary": None})).train(), make_batch()
    grads = gradients(network, network(batch, Branches(modality=side)).logit_B.sum())
    moved = {name.split(".")[0] for name, grad in grads.items() if grad.abs().max() > 0}
    assert silent not in moved
    assert ("attention" in moved) == (side == "tabular")


def test_modality_dropout_is_drawn_for_each_point(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    network = make_network(make_spec({"modality_dropout": 0.4})).train()
    one = make_batch(points=2, contexts=2)
    by_point = ("tabular_BF", "label_B", "index_B", "context_B")
    batch = one._replace(**{name: getattr(one, name)[:1].repeat_interleave(4000, 0) for name in by_point})
    sides = ("none", "tabular", "residue")
    forced = {side: network(batch, Branches(modality=side)).logit_B[0] for side in sides}
    logit_B = network(batch).logit_B
    shares = {side: torch.isclose(logit_B, logit, atol=1e-6).float().mean().item() for side, logit in forced.items()}
    assert shares == {
        "none": pytest.approx(0.6, abs=0.03),
        "tabular": pytest.approx(0.2, abs=0.03),
        "residue": pytest.approx(0.2, abs=0.03),
    }
    assert sum(shares.values()) == pytest.approx(1.0)
    assert torch.allclose(network.eval()(batch).logit_B, forced["none"].expand(4000), atol=1e-6)


def test_modality_dropout_leaves_the_encoders_running_statistics_alone(
    make_spec: Any, make_network: Any, make_batch: Any
) -> None:
    batch, spec = make_batch(), make_spec({"norm": "batch"})
    network, masked = make_network(spec).train(), make_network(spec).train()
    network(batch, Branches(modality="none"))
    masked(batch, Branches(modality="residue"))
    for name, buffer in network.named_buffers():
        if "encoder" in name:
            assert torch.equal(buffer, dict(masked.named_buffers())[name]), name


def test_forward_is_deterministic_and_keeps_nothing(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    network, batch = make_network(make_spec()).eval(), make_batch()
    attributes = {name: set(vars(module)) for name, module in network.named_modules()}
    state = copy.deepcopy(network.state_dict())
    first, second = network(batch, telemetry=True), network(batch, telemetry=True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert {name: set(vars(module)) for name, module in network.named_modules()} == attributes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_gate_mixes_centre_and_scaled_context(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    batch = make_batch()
    for initial, scale, ignored in [(1 - 1e-7, 1.0, True), (0.5, 0.0, True), (0.5, 1.0, False)]:
        spec = make_spec({"gate.kind": "fixed", "gate.initial": initial, "gate.context_scale": scale})
        network = make_network(spec).eval()
        blind = batch.with_residues(batch.centre_CD, torch.zeros_like(batch.neighbour_CKD))
        same = torch.allclose(network(batch).logit_B, network(blind).logit_B, atol=1e-5)
        assert same is ignored


def test_auxiliary_head_sees_the_neighbours_context_alone(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    batch = make_batch()
    network = make_network(make_spec({"gate.context_scale": 0.0})).eval()
    expected = network(batch).auxiliary_B
    assert torch.equal(network(batch._replace(tabular_BF=-batch.tabular_BF)).auxiliary_B, expected)
    blind = batch.with_residues(batch.centre_CD, torch.zeros_like(batch.neighbour_CKD))
    assert not torch.allclose(network(blind).auxiliary_B, expected, atol=1e-3)
    assert make_network(make_spec({"auxiliary": None}))(batch).auxiliary_B is None


def test_prior_bias_sets_both_heads(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    network, batch = make_network(make_spec()).eval(), make_batch()
    with torch.no_grad():
        for head in (network.classifier, network.auxiliary):
            head.logit.weight.zero_()
    network.prior_bias(-3.6)
    scores = network(batch)
    assert torch.allclose(scores.logit_B, torch.tensor(-3.6))
    assert torch.allclose(scores.auxiliary_B, torch.tensor(-3.6))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_bf16_keeps_gate_heads_and_loss_in_32_bits(
    norm: str, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    spec = make_spec({"norm": norm, "periodic": {}})
    network, batch = make_network(spec).train(), make_batch()
    exact = network(batch).logit_B
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = network(batch, telemetry=True)
        losses = Objective(LossSpec(), spec, 3.0)(scores, batch)
    facts = scores._asdict() | losses._asdict()
    assert {name for name, fact in facts.items() if fact.dtype != torch.float32} == set()
    assert torch.allclose(scores.logit_B, exact, atol=0.2)
    assert all(torch.isfinite(grad).all() for grad in gradients(network, losses.total).values())


def test_gate_and_heads_get_32_bit_products_under_bf16(make_spec: Any, make_network: Any) -> None:
    network = make_network(make_spec()).eval()
    centre_CW, context_CW = torch.randn(20, 8), torch.randn(20, 8)
    exact = network.gate.live(centre_CW, context_CW), network.auxiliary(context_CW)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network.gate.live(centre_CW, context_CW), network.auxiliary(context_CW)
    assert all(torch.equal(a, b) for a, b in zip(exact, mixed, strict=True))


def test_64_bits_throughout(make_spec: Any, make_network: Any, make_batch: Any) -> None:
    spec, batch = make_spec({"periodic": {}}), make_batch()
    network, objective = make_network(spec).double(), Objective(LossSpec(), spec, 3.0).double()
    wide = batch._replace(**{name: field.double() for name, field in batch._asdict().items() if floating(field)})
    scores = network(wide, telemetry=True)
    facts = scores._asdict() | objective(scores, wide)._asdict()
    assert {name for name, fact in facts.items() if fact.dtype != torch.float64} == set()


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_all_points_on_one_residue_can_be_trained(
    norm: str, make_spec: Any, make_network: Any, make_batch: Any, gradients: Any
) -> None:
    spec, batch = make_spec({"norm": norm}), make_batch(points=6, contexts=1)
    network = make_network(spec).train()
    losses = Objective(LossSpec(), spec, 3.0)(network(batch), batch)
    assert all(torch.isfinite(grad).all() for grad in gradients(network, losses.total).values())
