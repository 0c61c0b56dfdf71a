"""Gradients of accumulation windows, the short last one too, against a loop written out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from kag.data.sites import Sites
from kag.finding import Finding
from kag.spec import RunSpec
from kag.spec.schedule import learning_rate
from kag.train.build import build_network, build_objective
from kag.train.estimate import estimate
from kag.train.job import Job, epoch_seed
from kag.train.task import Task
from tests.train.conftest import MakeSpec, Train

BATCHES = 11
Gradients = list[torch.Tensor]


@pytest.fixture(scope="module")
def one_epoch(make_spec: MakeSpec, sites: Sites) -> RunSpec:
    """An epoch of eleven batches, the last ones a point smaller than the first."""
    points = len(sites.index("train"))
    size = -(-points // BATCHES)
    assert points % BATCHES, "batches of two sizes"
    return make_spec(epochs=1, **{"data.batch_size": size, "trainer.gradient_clip": 0})


def with_accumulate(spec: RunSpec, accumulate: int) -> RunSpec:
    return spec.model_copy(update={"trainer": spec.trainer.model_copy(update={"accumulate": accumulate})})


def by_hand(spec: RunSpec, sites: Sites, accumulate: int) -> Iterator[Gradients]:
    """The gradient of each step: the mean over its batches."""
    task = Task.of(spec, sites)
    network, objective = build_network(task).train(), build_objective(task)
    batches = task.training_batches(0)
    windows = [batches[begin : begin + accumulate] for begin in range(0, len(batches), accumulate)]
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=spec.optimizer.weight_decay, fused=True)
    torch.manual_seed(epoch_seed(spec.seed, 0, 0))
    done = 0
    for window in windows:
        optimizer.zero_grad()
        for index_B in window:
            optimizer.param_groups[0]["lr"] = learning_rate(spec, done / len(batches))
            batch = task.tables.gather(torch.from_numpy(index_B), share=task.share)
            (objective(network(batch), batch).total / len(window)).backward()
            done += 1
        yield [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        optimizer.step()


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> list[Gradients]:
    """The gradient of each step of a run, as the optimizer gets it."""
    seen: list[Gradients] = []

    def clip(self: Job, *_: Any, **__: Any) -> None:
        seen.append([parameter.grad.clone() for parameter in self.network.parameters() if parameter.grad is not None])

    monkeypatch.setattr(Job, "configure_gradient_clipping", clip)
    return seen


@pytest.mark.parametrize(
    ("grouping", "accumulate", "steps"),
    [("point", 1, 11), ("point", 3, 4), ("point", 4, 3), ("point", 1000, 1), ("residue", 3, 4)],
)
def test_a_step_takes_the_mean_over_its_batches(
    one_epoch: RunSpec, sites: Sites, train: Train, stepped: list[Gradients], grouping: str, accumulate: int, steps: int
) -> None:
    spec = with_accumulate(one_epoch, accumulate)
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"grouping": grouping})})
    record = train(spec)
    expected = list(by_hand(spec, sites, accumulate))
    assert len(stepped) == len(expected) == steps == record.world.optimizer_steps
    for found, wanted in zip(stepped, expected, strict=True):
        assert all(torch.allclose(one, other, rtol=1e-4, atol=1e-7) for one, other in zip(found, wanted, strict=True))


def test_more_than_an_epoch_has_is_said_and_not_counted(one_epoch: RunSpec, sites: Sites, train: Train) -> None:
    spec = with_accumulate(one_epoch, 1000)
    (said,) = (told for told in estimate(spec) if isinstance(told, Finding))
    assert (said.code, said.severity) == ("accumulate_past_epoch", "warning")
    assert "trainer.accumulate = 1000 is more than an epoch has" in said.sentence
    record = train(spec)
    assert [one.code for one in record.preflight if one.severity == "warning"].count("accumulate_past_epoch") == 1
    assert record.world.effective_batch == BATCHES * spec.data.batch_size
    fitting = Task.of(with_accumulate(one_epoch, BATCHES), sites).world
    assert fitting.effective_batch == record.world.effective_batch
    assert not any(isinstance(told, Finding) for told in estimate(with_accumulate(one_epoch, BATCHES)))
