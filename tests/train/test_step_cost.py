"""What a training step costs at full size: FLOPs counted on the meta device, where nothing has a value.

That it runs there is a proof of its own: a step that asked the device for a value (`item`, `cpu`, `unique`) would fail.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kag.data.batches import training_batches
from kag.data.rows import shared_in_training
from kag.data.sites import Sites, contexts
from kag.data.tables import SiteTables
from kag.model.losses import Objective
from kag.model.size import flops_per_sample, forward_flops, shape_network
from kag.spec.model import ModelSpec
from kag.spec.run import DataSpec, LossSpec
from kag.train.estimate import BACKWARD, epoch_flops
from kag.train.task import Task
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
    spec = ModelSpec()
    network, objective = shape_network(spec, **OCTOBER).train(), Objective(LossSpec(), spec, 39.0).to("meta")
    rows = tables.lookup.rows(training_batches(sites, data, seed=0, epoch=0)[0], shared_in_training(data))
    with FlopCounterMode(display=False) as counter:
        batch = tables.collect(rows)
        objective(network(batch), batch).total.backward()
    return Cost(counter.get_total_flops(), (len(rows.index_B), len(rows.point_C), len(rows.residue_U)))


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
    assert 0.9 < cost.flops / (3 * forward_flops(ModelSpec(), **shape, **OCTOBER)) < 1.0


def test_what_an_epoch_costs_counts_shared_parts_once(sites: Sites, make_spec: MakeSpec) -> None:
    october = {"model": ModelSpec().model_dump(mode="json"), "data.batch_size": 640}
    tasks = [Task.of(make_spec(**october, **{"data.grouping": each}), sites) for each in ("point", "residue")]
    by_point, by_residue = map(epoch_flops, tasks)
    each = flops_per_sample(ModelSpec(), **tasks[0].facts.sizes)
    assert by_point == pytest.approx(BACKWARD * each * len(sites.index("train")), rel=1e-6)
    assert by_residue < by_point / 10
