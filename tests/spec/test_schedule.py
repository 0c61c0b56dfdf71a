from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR
from valid_specs import specs

from kag.spec import RunSpec, build_spec
from kag.spec.schedule import learning_rate, peak_epoch

STEPS = 400
"""Optimizer steps an epoch, so that torch's count of steps and kag's position in the run meet closely."""


def spec(**changes: Any) -> RunSpec:
    return build_spec(
        {"name": "x", "data": {"file": "a.h5"}, "epochs": 10}, {k.replace("__", "."): v for k, v in changes.items()}
    )


def torch_rates(spec: RunSpec, schedule: Callable[[torch.optim.Optimizer], LRScheduler]) -> list[float]:
    """Learning rate of every step as torch's scheduler gives it."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=spec.optimizer.lr)
    scheduler = schedule(optimizer)
    rates = []
    for _ in range(spec.epochs * STEPS):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("pct_start", [0.05, 0.2, 0.5])
def test_one_cycle_is_that_of_torch(pct_start: float) -> None:
    run = spec(optimizer__lr=1e-4, optimizer__schedule__max_lr=5e-4, optimizer__schedule__pct_start=pct_start)
    steps = run.epochs * STEPS
    expected = torch_rates(
        run, lambda optimizer: OneCycleLR(optimizer, 5e-4, total_steps=steps, pct_start=pct_start, div_factor=5.0)
    )
    found = [learning_rate(run, step / STEPS) for step in range(steps)]
    assert found == pytest.approx(expected, rel=0.01, abs=5e-4 * 0.005)
    assert max(found) == pytest.approx(5e-4, rel=1e-5)
    assert found[0] == pytest.approx(1e-4)
    assert learning_rate(run, run.epochs) == pytest.approx(1e-8)


def test_cosine_is_that_of_torch() -> None:
    run = spec(optimizer__lr=3e-4, optimizer__schedule__kind="cosine")
    steps = run.epochs * STEPS
    expected = torch_rates(run, lambda optimizer: CosineAnnealingLR(optimizer, T_max=steps))
    assert [learning_rate(run, step / STEPS) for step in range(steps)] == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_a_warm_up_rises_from_zero_and_then_comes_the_schedule(kind: str) -> None:
    shared = {"optimizer__lr": 3e-4, "optimizer__schedule__kind": kind}
    warmed = spec(**shared, optimizer__schedule__warmup_epochs=2.5)
    shorter = spec(**shared, epochs=75)
    assert [learning_rate(warmed, position) for position in (0.0, 1.25, 2.5)] == pytest.approx([0.0, 1.5e-4, 3e-4])
    assert [learning_rate(warmed, 2.5 + step / 10) for step in range(75)] == pytest.approx(
        [learning_rate(shorter, step) for step in range(75)]
    )
    assert (peak_epoch(warmed), peak_epoch(shorter)) == (2.5, 0.0)


def test_constant_is_constant() -> None:
    run = spec(optimizer__lr=3e-4, optimizer__schedule__kind="constant")
    assert {learning_rate(run, epoch / 7) for epoch in range(100)} == {3e-4}


@given(specs)
def test_the_peak_is_where_peak_epoch_says(run: RunSpec) -> None:
    run = run.model_copy(update={"swa": None})
    schedule = run.optimizer.schedule
    if schedule.kind == "one_cycle" and schedule.max_lr < run.optimizer.lr:
        return
    if schedule.kind != "one_cycle" and schedule.warmup_epochs > run.epochs:
        return
    top = learning_rate(run, peak_epoch(run))
    assert all(learning_rate(run, run.epochs * i / 50) <= top * (1 + 1e-9) for i in range(51))


@given(specs, st.floats(0.0, 1.0))
def test_the_rate_is_never_negative_and_never_above_every_rate_of_the_spec(run: RunSpec, share: float) -> None:
    optimizer = run.optimizer
    highest = max(optimizer.lr, optimizer.schedule.max_lr, run.swa.lr if run.swa else 0.0)
    assert 0.0 <= learning_rate(run, share * (run.last_epoch + 1)) <= highest * (1 + 1e-9)


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("kind", ["one_cycle", "cosine", "constant"])
def test_averaging_takes_over_where_the_schedule_stood_and_reaches_its_own_rate(kind: str, shape: str) -> None:
    swa = {"start": 4, "window": 6, "lr": 2e-4, "anneal_epochs": 3, "shape": shape}
    run = spec(optimizer__schedule__kind=kind, swa=swa)
    bare = run.model_copy(update={"swa": None})
    for epoch in (0.0, 1.7, 3.999, 4.0):
        assert learning_rate(run, epoch) == learning_rate(bare, epoch)
    assert learning_rate(run, 4.0 + 1e-6) == pytest.approx(learning_rate(run, 4.0), rel=1e-5)
    between = learning_rate(run, 5.0)
    low, high = sorted((learning_rate(bare, 4.0), 2e-4))
    assert low < between < high
    assert learning_rate(run, 7.0 - 1e-6) == pytest.approx(2e-4, rel=1e-5)
    assert [learning_rate(run, epoch) for epoch in (7.0, 7.5, 9.999)] == pytest.approx([2e-4] * 3)


def test_averaging_without_annealing_switches_at_once() -> None:
    run = spec(swa={"start": 4, "window": 6, "lr": 2e-4, "anneal_epochs": 0})
    assert learning_rate(run, 4.0) == 2e-4
    assert learning_rate(run, 3.999999) == pytest.approx(
        learning_rate(run.model_copy(update={"swa": None}), 4.0), rel=1e-4
    )


@given(specs, st.floats(0.0, 3.0))
def test_past_its_end_the_rate_stays_at_its_end(run: RunSpec, beyond: float) -> None:
    run = run.model_copy(update={"swa": None})
    if run.optimizer.schedule.warmup_epochs > run.epochs:
        return
    assert learning_rate(run, run.epochs + beyond) == learning_rate(run, run.epochs)
