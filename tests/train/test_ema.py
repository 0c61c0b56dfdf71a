"""`ema`: the average over steps is what is measured, kept and delivered (how it is resumed: test_resume)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kag import names
from kag.train.ema import averaging_network, follow, share_kept
from kag.train.job import Job
from kag.train.recorder import EpochRecorder
from kag.view.words import find_run
from kag.weights.checkpoint import load_network, read_checkpoint
from tests.train.conftest import MakeSpec, Train

EMA = {"ema": {"decay": 0.9}, "model.gate.clamp": None}


@given(st.floats(0.01, 0.999), st.integers(0, 10**6))
def test_a_step_keeps_a_share_that_grows_up_to_the_decay(decay: float, step: int) -> None:
    assert 0.0 < share_kept(decay, step) <= share_kept(decay, step + 1) <= decay
    assert share_kept(decay, 10**7) == decay


def test_the_average_is_the_weighted_sum_of_the_weights_after_each_step() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average, expected = averaging_network(network), copy.deepcopy(network.state_dict())
    for step in range(20):
        network(torch.randn(8, 3)).square().mean().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * parameter.grad
        follow(average, network, 0.9, step)
        kept = share_kept(0.9, step)
        expected = {
            name: kept * expected[name] + (1 - kept) * value if value.is_floating_point() else value.clone()
            for name, value in network.state_dict().items()
        }
    for name, value in average.state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-6), name
    assert not any(parameter.requires_grad for parameter in average.parameters())


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[dict[str, Any], dict[str, Any]]]:
    """What is trained, and its average, at the end of each epoch of a run."""
    kept: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    write = EpochRecorder._save_state

    def keeping(self: EpochRecorder, trainer: Any) -> None:
        job = trainer.lightning_module
        assert isinstance(job, Job)
        assert job.ema is not None
        kept[trainer.current_epoch] = copy.deepcopy((job.network.state_dict(), job.ema.state_dict()))
        write(self, trainer)

    monkeypatch.setattr(EpochRecorder, "_save_state", keeping)
    return kept


def test_what_is_measured_kept_and_delivered_is_the_average(
    make_spec: MakeSpec, train: Train, runs: Path, networks: dict[int, Any]
) -> None:
    record = train(make_spec(epochs=3, **EMA))
    folder = find_run(runs, "tiny")
    trained, average = networks[record.best_epoch]
    best = read_checkpoint(folder.best).network
    assert all(torch.equal(best[name], value) for name, value in average.items())
    assert not all(torch.equal(best[name], value) for name, value in trained.items())
    assert float(average["context_scale"]) == pytest.approx(float(trained["context_scale"]), abs=0.0)
    delivered, _ = load_network(folder.checkpoints / "delivered.ckpt")
    assert all(torch.equal(delivered.state_dict()[name], value) for name, value in average.items())
    measured = [row[names.OBJECTIVE] for row in folder.history()]
    told = [each.value for each in record.results if (each.split, each.metric) == ("val", "auprc")]
    assert told == pytest.approx([max(measured)])
