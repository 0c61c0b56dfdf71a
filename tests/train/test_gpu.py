"""Training on a device, as it really runs, is that of a plain loop in 64 bits on the CPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from kag.data.sites import Sites
from kag.model.network import Network
from kag.model.precision import FACTORS
from kag.train.batches import SiteBatches
from kag.train.build import build_network, build_objective
from kag.train.job import Job
from kag.train.task import Task
from kag.train.trainer import build_trainer
from tests.devices import on_gpus, use
from tests.train.conftest import MakeSpec

NO_DRAWS = {
    "model.dropout": 0.0,
    "model.modality_dropout": 0.0,
    "model.attention.dropout": 0.0,
    "model.gate.dropout": {"rate": 0.0},
}
CONSTANT = {"optimizer.schedule": {"kind": "constant"}, "optimizer.lr": 1e-3, "trainer.gradient_clip": 0.05}


class Losses(Callback):
    """What each batch of training lost."""

    def __init__(self) -> None:
        self.losses: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Any, job: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(outputs["loss"].detach())


def plain(task: Task) -> tuple[list[float], Network]:
    """Losses of an epoch and the network after it: 64 bits, nothing shared, AdamW in its loop over parameters."""
    network, objective = build_network(task).double().train(), build_objective(task).double()
    optimizer = task.spec.optimizer
    adamw = torch.optim.AdamW(network.parameters(), lr=optimizer.lr, weight_decay=optimizer.weight_decay, foreach=False)
    losses = []
    for index_B in task.training_batches(0):
        batch = task.tables.gather(torch.from_numpy(index_B), share="nothing")
        wide = {
            name: part.double()
            for name, part in batch._asdict().items()
            if part is not None and part.is_floating_point()
        }
        adamw.zero_grad()
        loss = objective(network(batch._replace(**wide)), batch._replace(**wide)).total
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), task.spec.trainer.gradient_clip)
        adamw.step()
        losses.append(float(loss.detach()))
    return losses, network


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.parametrize(
    ("device", "precision"),
    [("cpu", "32-true"), ("cpu", "bf16-mixed"), on_gpus("32-true"), on_gpus("bf16-mixed")],
)
def test_training_on_a_device_is_that_of_a_plain_loop_in_64_bits(
    device: str, precision: str, make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The losses, and how far the weights have moved; measured on the CPU: 1e-7 and 1e-9, in bf16 3e-4 and 0.03."""
    kind = use(device, monkeypatch)
    changes = {
        "data.grouping": "residue",
        "model.norm": "layer",
        "trainer.precision": precision,
        **NO_DRAWS,
        **CONSTANT,
    }
    task, seen = Task.of(make_spec(epochs=1, **changes), sites), Losses()
    job = Job(task)
    before = {name: parameter.detach().double() for name, parameter in job.network.named_parameters()}
    build_trainer(task, [seen]).fit(job, datamodule=SiteBatches(task))
    losses, network = plain(task)
    assert {loss.device.type for loss in seen.losses} == {kind.type}
    tolerance = 2e-3 if precision in FACTORS else 1e-5
    assert [float(loss) for loss in seen.losses] == pytest.approx(losses, rel=tolerance)
    apart = moved = 0.0
    for name, parameter in job.network.named_parameters():
        wanted = network.get_parameter(name).detach()
        apart += float((parameter.detach().cpu().double() - wanted).square().sum())
        moved += float((before[name] - wanted).square().sum())
    assert moved > 0
    assert apart < (0.1 if precision in FACTORS else 1e-4) * moved
