"""The objective: how the losses add up, what an epoch changes, and what the checkpoint carries."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kag.model.losses import LOSSES, Objective, bce, neighbour_weights
from kag.spec.run import LossSpec

WARMED = LossSpec.model_validate({"kind": "bce", "warmup": {"kind": "focal", "epochs": 3}, "pos_weight": 7.0})


@pytest.fixture(scope="module")
def spec(make_spec: Any) -> Any:
    return make_spec(
        {
            "gate.penalty.weight": {"start": 0.4, "end": 0.1, "epochs": 3},
            "auxiliary.weight": {"start": 0.3, "end": 0.0, "epochs": 6},
            "auxiliary.distance_temperature": 6.0,
        }
    )


@pytest.fixture(scope="module")
def batch(make_batch: Any) -> Any:
    return make_batch()


@pytest.fixture(scope="module")
def scores(spec: Any, batch: Any, make_network: Any) -> Any:
    with torch.no_grad():
        return make_network(spec)(batch)


@pytest.mark.parametrize(
    ("epoch", "penalty", "auxiliary"), [(0, 0.4, 0.3), (1.5, 0.25, 0.225), (3, 0.1, 0.15), (9, 0.1, 0.0)]
)
def test_terms_add_up_with_the_weights_of_the_epoch(
    epoch: float, penalty: float, auxiliary: float, spec: Any, batch: Any, scores: Any
) -> None:
    objective = Objective(LossSpec(), spec, 5.0)
    objective.set_epoch(epoch)
    losses = objective(scores, batch)
    assert losses.total.item() == pytest.approx(
        (losses.main + penalty * losses.penalty + auxiliary * losses.auxiliary).item(), abs=1e-6
    )


def test_penalty_is_the_distance_of_the_live_alpha(spec: Any, batch: Any, scores: Any) -> None:
    moved = scores._replace(alpha_B=torch.zeros_like(scores.alpha_B))
    expected = (scores.live_alpha_B - spec.gate.penalty.target).abs().mean()
    assert torch.allclose(Objective(LossSpec(), spec, 5.0)(moved, batch).penalty, expected)


@pytest.mark.parametrize(
    ("pos_weight", "epoch", "expected"),
    [("auto", 4, 38.0), (45.0, 4, 45.0), ({"start": 10, "end": 20, "epochs": 4}, 2, 15.0)],
)
def test_pos_weight(pos_weight: Any, epoch: int, expected: float, spec: Any, batch: Any, scores: Any) -> None:
    loss = LossSpec.model_validate({"pos_weight": pos_weight})
    objective = Objective(loss, spec, 38.0)
    objective.set_epoch(epoch)
    main = bce(scores.logit_B, batch.label_B, expected, loss).mean()
    assert torch.allclose(objective(scores, batch).main, main)


@pytest.mark.parametrize(("epoch", "kind"), [(0, "focal"), (2.9, "focal"), (3, "bce"), (50, "bce")])
def test_the_kind_of_loss_follows_from_the_epoch(epoch: float, kind: str, spec: Any, batch: Any, scores: Any) -> None:
    objective = Objective(WARMED, spec, 1.0)
    objective.set_epoch(50 - epoch)
    objective.set_epoch(epoch)
    assert WARMED.kind_at(epoch) == kind
    assert WARMED.warms_up(epoch) is (kind == "focal")
    expected = LOSSES[kind](scores.logit_B, batch.label_B, 7.0, WARMED).mean()
    assert torch.allclose(objective(scores, batch).main, expected)


def test_a_reloaded_objective_gives_the_same_losses(spec: Any, batch: Any, scores: Any) -> None:
    objective, fresh = Objective(WARMED, spec, 38.0), Objective(WARMED, spec, 1.0)
    objective.set_epoch(4)
    assert not torch.equal(fresh(scores, batch).total, objective(scores, batch).total)
    fresh.load_state_dict(objective.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(fresh(scores, batch), objective(scores, batch), strict=True))


def test_auxiliary_loss_is_weighted_by_the_nearest_neighbour(spec: Any, batch: Any, scores: Any) -> None:
    objective = Objective(LossSpec(pos_weight="auto"), spec, 5.0)
    nearest_B = batch.distance_CK.min(1).values[batch.context_B]
    weight_B = torch.exp(-nearest_B / 6.0)
    loss_B = bce(scores.auxiliary_B, batch.label_B, 5.0, LossSpec())
    assert torch.allclose(objective(scores, batch).auxiliary, (weight_B * loss_B).sum() / weight_B.sum())


def test_without_temperature_all_points_weigh_alike(batch: Any) -> None:
    assert torch.allclose(neighbour_weights(batch, None), torch.full((24,), 1 / 24))


def test_weights_stay_finite_where_every_exponential_vanishes(batch: Any) -> None:
    weight_B = neighbour_weights(batch._replace(distance_CK=batch.distance_CK + 500.0), 0.01)
    assert torch.isfinite(weight_B).all()
    assert weight_B.sum().item() == pytest.approx(1.0)


def test_without_auxiliary_head_there_is_no_auxiliary_loss(make_spec: Any, make_network: Any, batch: Any) -> None:
    spec = make_spec({"auxiliary": None})
    losses = Objective(LossSpec(), spec, 5.0)(make_network(spec)(batch), batch)
    assert losses.auxiliary is None
    assert torch.allclose(losses.total, losses.main + 0.15 * losses.penalty)
