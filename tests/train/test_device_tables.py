"""The tables on the device that trains: once, and under mixed precision in the format that is multiplied."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from kag.data.sites import Sites
from kag.model.batch import Batch
from kag.train.batches import DeviceTables, SiteBatches
from kag.train.build import build_network, build_objective
from kag.train.job import Job
from kag.train.task import Task
from kag.train.trainer import build_trainer
from tests.train.conftest import MakeSpec

PRECISIONS = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def step(task: Task, batch: Batch, factors: torch.dtype) -> dict[str, Tensor]:
    """Gradients, by name, and logits of a step under autocast; dropout is drawn."""
    network, objective = build_network(task).train(), build_objective(task)
    torch.manual_seed(4)
    with torch.autocast("cpu", factors):
        scores = network(batch)
        total = objective(scores, batch).total
    total.backward()
    found = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    return found | {"logits": scores.logit_B.detach()}


@pytest.mark.parametrize("grouping", ["point", "protein", "residue"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_rounded_embeddings_give_what_autocast_would_bit_for_bit(
    precision: str, grouping: str, make_spec: MakeSpec, sites: Sites
) -> None:
    task, factors = Task.of(make_spec(**{"data.grouping": grouping}), sites), PRECISIONS[precision]
    rows = task.rows(task.training_batches(0)[0])
    rounded = task.tables.to("cpu", residues=factors)
    expected, found = (step(task, tables.collect(rows), factors) for tables in (task.tables, rounded))
    assert rounded.residue_RD.nbytes == task.tables.residue_RD.nbytes / 2
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("precision", ["32-true", *PRECISIONS])
def test_a_device_has_one_table_and_evaluation_full_precision(
    precision: str, make_spec: MakeSpec, sites: Sites
) -> None:
    task = Task.of(make_spec(**{"trainer.precision": precision}), sites)
    training, evaluation = DeviceTables.on(torch.device("meta"), task)
    assert training.residue_RD.device.type == "meta"
    assert training.residue_RD.dtype is PRECISIONS.get(precision, torch.float32)
    assert (evaluation.residue_RD is training.residue_RD) == (precision == "32-true")
    assert evaluation.residue_RD.dtype is torch.float32
    rows = task.rows(task.training_batches(0)[0])
    for tables in (training, evaluation):
        batch = tables.collect(rows)
        assert {part.device.type for part in batch if part is not None} == {"meta"}
        assert batch.residue_UD.dtype is tables.residue_RD.dtype
    on_cpu = DeviceTables.on(torch.device("cpu"), task)
    assert on_cpu.training.residue_RD.data_ptr() == task.tables.residue_RD.data_ptr(), "the host has no second one"


class Gathered(Callback):
    """Number formats of the embeddings that training and validation got."""

    def __init__(self) -> None:
        self.kinds: dict[str, set[torch.dtype]] = {"train": set(), "val": set()}

    def on_train_batch_start(self, trainer: Any, job: Any, batch: Batch, batch_idx: int) -> None:
        self.kinds["train"].add(batch.residue_UD.dtype)

    def on_validation_batch_start(self, trainer: Any, job: Any, batch: Batch, *_: Any) -> None:
        self.kinds["val"].add(batch.residue_UD.dtype)


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_training_gets_rounded_embeddings_and_validation_those_of_the_file(
    make_spec: MakeSpec, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, gathered = Task.of(make_spec(epochs=1, **{"trainer.precision": "bf16-mixed"}), sites), Gathered()
    both = DeviceTables(task.tables.to("cpu", residues=torch.bfloat16), task.tables)
    monkeypatch.setattr(DeviceTables, "on", lambda *_: both)
    build_trainer(task, [gathered]).fit(Job(task), datamodule=SiteBatches(task))
    assert gathered.kinds == {"train": {torch.bfloat16}, "val": {torch.float32}}
