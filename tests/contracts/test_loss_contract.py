"""What every main loss must hold; a new entry of `LOSSES` is tested by being there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.model.losses import LOSSES
from kag.spec.run import LossSpec

NEUTRAL = LossSpec(gamma=0.0, margin=0.0)
SETTINGS = [
    NEUTRAL,
    LossSpec(),
    LossSpec(gamma=0.5, margin=0.2),
    LossSpec(gamma=0.5, margin=0.5),
    LossSpec(gamma=0.0, margin=0.05),
    LossSpec(gamma=5.0, margin=0.0),
]
YES, NO = 1.0, 0.0

logits = st.floats(-100.0, 100.0, allow_nan=False).map(lambda x: round(x, 3))
several = st.lists(logits, min_size=2, max_size=8)
specs = st.builds(LossSpec, gamma=st.floats(0.0, 6.0), margin=st.floats(0.0, 0.9))

pytestmark = pytest.mark.parametrize("kind", LOSSES)


def value_and_slope(
    kind: str, logit_B: torch.Tensor, label: float, spec: LossSpec, pos_weight: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of each point and its derivative by the point's own logit."""
    logit_B = logit_B.clone().requires_grad_()
    loss_B = LOSSES[kind](logit_B, torch.full_like(logit_B, label), pos_weight, spec)
    (slope_B,) = torch.autograd.grad(loss_B.sum(), logit_B)
    return loss_B.detach(), slope_B


@pytest.mark.parametrize("spec", SETTINGS, ids=str)
@pytest.mark.parametrize("label", [YES, NO])
def test_finite_and_not_negative_at_any_logit(kind: str, label: float, spec: LossSpec) -> None:
    logit_B = torch.tensor([-100.0, -30.0, -1e-4, 0.0, 1e-4, 30.0, 100.0])
    for pos_weight in (0.0, 1.0, 1000.0):
        loss_B, slope_B = value_and_slope(kind, logit_B, label, spec, pos_weight)
        assert torch.isfinite(loss_B).all()
        assert torch.isfinite(slope_B).all()
        assert (loss_B >= 0).all()


@given(values=several, label=st.sampled_from([YES, NO]), spec=specs, pos_weight=st.floats(0.0, 1e3))
@settings(deadline=None)
def test_finite_for_any_setting(
    kind: str, values: list[float], label: float, spec: LossSpec, pos_weight: float
) -> None:
    loss_B, slope_B = value_and_slope(kind, torch.tensor(values), label, spec, pos_weight)
    assert torch.isfinite(loss_B).all()
    assert torch.isfinite(slope_B).all()
    assert (loss_B >= 0).all()


@pytest.mark.parametrize("spec", SETTINGS, ids=str)
def test_gradient_pushes_positives_up_and_negatives_down(kind: str, spec: LossSpec) -> None:
    logit_B = torch.linspace(0.1, 8.0, 50)
    assert (value_and_slope(kind, -logit_B, YES, spec)[1] < 0).all()
    assert (value_and_slope(kind, logit_B, NO, spec)[1] > 0).all()


@given(values=several, label=st.sampled_from([YES, NO]), spec=specs)
@settings(deadline=None)
def test_a_better_logit_never_costs_more(kind: str, values: list[float], label: float, spec: LossSpec) -> None:
    better_B = torch.tensor(values, dtype=torch.float64).sort(descending=label == NO).values
    loss_B = value_and_slope(kind, better_B, label, spec)[0]
    assert (loss_B.diff() <= 1e-9).all()


@given(values=several, pos_weight=st.floats(0.1, 100.0), spec=specs)
@settings(deadline=None)
def test_pos_weight_scales_positives_and_leaves_negatives(
    kind: str, values: list[float], pos_weight: float, spec: LossSpec
) -> None:
    logit_B = torch.tensor(values)
    plain, weighted = (value_and_slope(kind, logit_B, YES, spec, weight)[0] for weight in (1.0, pos_weight))
    assert torch.allclose(weighted, pos_weight * plain, rtol=1e-5)
    assert torch.equal(*(value_and_slope(kind, logit_B, NO, spec, weight)[0] for weight in (1.0, pos_weight)))


@given(values=several, pos_weight=st.floats(0.1, 100.0))
@settings(deadline=None)
def test_neutral_settings_are_binary_cross_entropy(kind: str, values: list[float], pos_weight: float) -> None:
    logit_B = torch.tensor(values, dtype=torch.float64)
    label_B = (torch.arange(len(values)) % 2).double()
    weight = torch.tensor(pos_weight, dtype=torch.float64)
    expected_B = F.binary_cross_entropy_with_logits(logit_B, label_B, pos_weight=weight, reduction="none")
    assert torch.allclose(LOSSES[kind](logit_B, label_B, weight, NEUTRAL), expected_B, rtol=1e-9, atol=1e-12)


def test_each_point_has_a_loss_of_its_own(kind: str) -> None:
    torch.manual_seed(0)
    logit_B, label_B = torch.randn(6), torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
    together = LOSSES[kind](logit_B, label_B, 5.0, LossSpec())
    alone = torch.cat([LOSSES[kind](logit_B[i : i + 1], label_B[i : i + 1], 5.0, LossSpec()) for i in range(6)])
    assert torch.allclose(together, alone)
