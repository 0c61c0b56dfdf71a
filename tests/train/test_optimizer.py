"""What an optimizer step does beside following the gradient: decay, and the gradient norm that is put down."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.utils import get_total_norm

from kag import names
from kag.data.sites import Sites
from kag.train.build import build_network, build_objective, build_optimizer
from kag.train.job import Job
from kag.train.task import Task
from kag.view.words import find_run
from tests.train.conftest import MakeSpec, Train

SPREAD = {"model.attention.distance_bias": "exponential", "model.gate.kind": "scalar", "model.embedding_norm": "layer"}
"""A model with every sort of parameter that is no matrix."""


@pytest.mark.parametrize("decay", ["everything", "matrices"])
def test_what_decays(decay: str, make_spec: MakeSpec, sites: Sites) -> None:
    """With gradients of zero an AdamW step only shrinks what decays, by lr x weight_decay."""
    spec = make_spec(**SPREAD, **{"optimizer.decay": decay, "optimizer.weight_decay": 0.1})
    task = Task.of(spec, sites)
    network, objective = build_network(task), build_objective(task)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    optimizer = build_optimizer(spec, network, objective)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    shrunk = {name for name, parameter in network.named_parameters() if float(parameter.flatten()[0].detach()) < 1.0}
    everything = {name for name, _ in network.named_parameters()}
    kept = {name for name in everything if not _is_matrix(name, network)}
    assert {"tabular_input.periodic.frequency_FM", "gate.logit", "embedding_norm.layer.weight"} <= kept
    assert any(name.endswith("rate_H") for name in kept)
    assert shrunk == (everything if decay == "everything" else everything - kept)


def _is_matrix(name: str, network: torch.nn.Module) -> bool:
    module, _, own = name.rpartition(".")
    return own == "weight_FME" or (own == "weight" and isinstance(network.get_submodule(module), torch.nn.Linear))


@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_the_gradient_norm_is_that_before_clipping(
    clip: float, make_spec: MakeSpec, train: Train, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    original = Job.configure_gradient_clipping

    def watching(self: Job, *arguments: object, **named: object) -> None:
        norm = get_total_norm([each.grad for each in self.network.parameters() if each.grad is not None])
        seen.append(float(norm))
        original(self, *arguments, **named)

    monkeypatch.setattr(Job, "configure_gradient_clipping", watching)
    train(make_spec(epochs=2, **{"trainer.gradient_clip": clip, "trainer.accumulate": 2}))
    rows = find_run(runs, "tiny").history()
    steps = len(seen) // 2
    told = [row[names.GRADIENT_NORM] for row in rows]
    assert told == pytest.approx([sum(seen[:steps]) / steps, sum(seen[steps:]) / steps])
