"""What a training step costs at full size: FLOPs counted on the meta device, where nothing has a value.

That it runs there is a proof of its own: a step that asked the device for a value (`item`, `cpu`, `unique`) would fail.
What Lightning and the optimizer do around it is counted on the CPU, over whole epochs.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from kag.data.batches import training_batches
from kag.data.read import read_sites
from kag.data.rows import EVALUATION, shared_in_training
from kag.data.sites import Sites, contexts
from kag.data.tables import SiteTables
from kag.model.losses import Objective
from kag.model.size import flops_per_sample, forward_flops, shape_network
from kag.spec.run import DataSpec, LossSpec
from kag.train.batches import SiteBatches
from kag.train.build import build_network
from kag.train.estimate import BACKWARD, epoch_flops
from kag.train.job import Job
from kag.train.task import Task
from kag.train.trainer import build_trainer
from tests.device_reads import device_reads
from tests.october import october_model
from tests.train.conftest import MakeSpec

SHARING = 18
"""Points of a residue in a full-size file."""
OCTOBER = {"features": 35, "embedding": 2560, "neighbours": 3}


class Cost(NamedTuple):
    flops: int
    """Of forward and backward."""
    rows: tuple[int, int, int]
    """Points, contexts, residues."""


@pytest.fixture(scope="module")
def sites() -> Sites:
    """60 training proteins of 100 residues with 18 points each; k nearest are neighbours in the sequence."""
    proteins, residues = 62, 100
    centre_N = np.repeat(np.arange(proteins * residues, dtype=np.int32), SHARING)
    neighbour_RK = np.arange(proteins * residues)[:, None] + np.array([1, -1, 2])
    neighbour_RK = np.where(
        neighbour_RK // residues == np.arange(proteins * residues)[:, None] // residues, neighbour_RK, -1
    )
    neighbour_NK = neighbour_RK[centre_N].astype(np.int32)
    distance_NK = np.where(neighbour_NK < 0, np.inf, [3.8, 3.8, 5.5]).astype(np.float32)
    protein_N = (centre_N // residues).astype(np.int32)
    return Sites(
        tabular_NF=np.zeros((len(centre_N), OCTOBER["features"]), np.float32),
        label_N=(np.arange(len(centre_N)) % 40 == 0).astype(np.uint8),
        centre_N=centre_N,
        neighbour_NK=neighbour_NK,
        distance_NK=distance_NK,
        protein_N=protein_N,
        split_N=np.where(protein_N < 60, 0, protein_N - 59).astype(np.int8),
        residue_RD=np.zeros((proteins * residues, 1), np.float32),
        residue_number_R=np.arange(proteins * residues, dtype=np.int32),
        context_N=contexts(centre_N, neighbour_NK, distance_NK),
        proteins=tuple(f"p{protein:02d}" for protein in range(proteins)),
        features=None,
        path=Path("memory"),
        digest="0" * 64,
    )


def step(sites: Sites, grouping: str) -> Cost:
    """Forward, loss and backward of the first batch, on the meta device."""
    data = DataSpec.model_validate({"file": "x", "grouping": grouping})
    tables = SiteTables.from_sites(sites, 30.0).to("meta")
    tables = tables._replace(residue_RD=torch.empty(sites.residues, OCTOBER["embedding"], device="meta"))
    spec = october_model()
    network, objective = shape_network(spec, **OCTOBER).train(), Objective(LossSpec(), spec, 39.0).to("meta")
    rows = tables.lookup.rows(training_batches(sites, data, seed=0, epoch=0)[0], shared_in_training(data))
    with FlopCounterMode(display=False) as counter:
        batch = tables.collect(rows)
        objective(network(batch), batch).total.backward()
    return Cost(counter.get_total_flops(), (len(rows.index_B), len(rows.point_C), len(rows.residue_U)))


@pytest.fixture(scope="module")
def own_sites(synthetic_file: Path) -> Sites:
    return read_sites(synthetic_file)


@pytest.fixture(scope="module")
def costs(sites: Sites) -> dict[str, Cost]:
    return {grouping: step(sites, grouping) for grouping in ("point", "protein", "residue")}


def test_a_step_over_residues_costs_a_tenth_of_one_over_points(costs: dict[str, Cost]) -> None:
    points, contexts_of, residues = costs["residue"].rows
    assert points == costs["point"].rows[0]
    assert points / contexts_of > 0.95 * SHARING, "points of a residue are together, but where a batch is cut"
    assert residues < 4 * contexts_of
    assert costs["residue"].flops < costs["point"].flops / 14
    assert costs["residue"].flops < costs["protein"].flops


@pytest.mark.parametrize("grouping", ["point", "residue"])
def test_forward_flops_by_shapes_are_those_of_the_step(costs: dict[str, Cost], grouping: str) -> None:
    """Backward takes twice as much again: each product has one for its input and one for its weight.

    The embeddings need no gradient, so that a little less is done.
    """
    cost = costs[grouping]
    points, contexts_of, residues = cost.rows
    shape = {"points": points, "contexts": contexts_of, "residues": residues if grouping == "residue" else None}
    assert 0.9 < cost.flops / (3 * forward_flops(october_model(), **shape, **OCTOBER)) < 1.0


def test_what_an_epoch_costs_counts_shared_parts_once(sites: Sites, make_spec: MakeSpec) -> None:
    october = {"model": october_model().model_dump(mode="json"), "data.batch_size": 640}
    tasks = [Task.of(make_spec(**october, **{"data.grouping": each}), sites) for each in ("point", "residue")]
    by_point, by_residue = map(epoch_flops, tasks)
    each = flops_per_sample(october_model(), **tasks[0].facts.sizes)
    assert by_point == pytest.approx(BACKWARD * each * len(sites.index("train")), rel=1e-6)
    assert by_residue < by_point / 10


class Epochs(Callback):
    """Device reads of each epoch of training: drawing, gathering, step, optimizer, and what Lightning does between."""

    def __init__(self) -> None:
        self.reads: list[Counter[str]] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self._inside = device_reads()
        self.reads.append(self._inside.__enter__())

    def on_validation_start(self, *_: Any) -> None:
        self._inside.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("grouping", "precision"),
    [("point", "32-true"), ("protein", "32-true"), ("residue", "32-true"), ("residue", "bf16-mixed")],
)
def test_an_epoch_of_training_reads_nothing_from_the_device(
    grouping: str, precision: str, make_spec: MakeSpec, own_sites: Sites
) -> None:
    """Penalty, ramps, warm-up, auxiliary loss, accumulation and average are on."""
    techniques = {"swa": {"start": 1, "window": 1}, "trainer.accumulate": 2, "loss.warmup": {"epochs": 1}}
    spec = make_spec(epochs=2, **{"data.grouping": grouping, "trainer.precision": precision, **techniques})
    task, epochs = Task.of(spec, own_sites), Epochs()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        build_trainer(task, [epochs]).fit(Job(task), datamodule=SiteBatches(task))
    assert epochs.reads == [Counter(), Counter()]


def test_the_model_reads_nothing_from_the_device_when_it_evaluates(make_spec: MakeSpec, own_sites: Sites) -> None:
    task = Task.of(make_spec(), own_sites)
    network, rows = build_network(task).eval(), task.tables.lookup.rows(own_sites.index("val"), EVALUATION)
    with torch.inference_mode(), device_reads() as reads:
        network(task.tables.collect(rows), telemetry=True)
    assert not reads


READS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x[0].item(),
    "float": lambda x: float(x[0]),
    "truth": lambda x: bool((x > 0).any()),
    "branch": lambda x: 1 if x.sum() > 0 else 0,
    "list": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "array": lambda x: np.asarray(x),
    "unique": lambda x: torch.unique(x),
    "nonzero": lambda x: x.nonzero(),
    "where": lambda x: torch.where(x > 0),
    "index": lambda x: x[x > 0],
    "assignment": lambda x: x.clone().index_put_((x > 0,), torch.tensor(0.0)),
    "backward": lambda x: _scaled_by_its_gradient(x),
}


def _scaled_by_its_gradient(value: Tensor) -> None:
    leaf = value.clone().requires_grad_()
    leaf.register_hook(lambda gradient: gradient * gradient[0].item())
    leaf.sum().backward()


@pytest.mark.parametrize("kind", READS)
def test_every_kind_of_device_read_is_seen(kind: str) -> None:
    values = torch.tensor([1.0, -1.0, 2.0])
    with device_reads() as reads:
        READS[kind](values)
    assert reads


def test_moving_to_the_device_is_no_read() -> None:
    with device_reads() as reads:
        torch.ones(3).to(torch.device("cpu")).masked_fill(torch.tensor([True, False, True]), 0.0).sum().double()
    assert not reads
