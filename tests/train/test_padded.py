"""Batches that are padded to shapes that come again: the same numbers, and few shapes to compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.utils import counters

from kag.data.rows import BatchRows, recurring
from kag.data.sites import Sites
from kag.model.batch import Batch
from kag.model.encoder import BatchNorm
from kag.model.losses import Losses
from kag.model.precision import FEWEST_ROWS
from kag.train.build import build_network, build_objective
from kag.train.compiled import compiled
from kag.train.task import Task
from tests.devices import on_gpus
from tests.train.conftest import MakeSpec

GROUPINGS = ("point", "protein", "residue")
NO_DRAWS = {"model.dropout": 0.0, "model.attention.dropout": 0.0, "model.gate.dropout": {"rate": 0.0}}


@pytest.fixture
def task_of(make_spec: MakeSpec, sites: Sites) -> Any:
    def make(grouping: str, norm: str, **more: Any) -> Task:
        return Task.of(make_spec(**{"data.grouping": grouping, "model.norm": norm, **NO_DRAWS, **more}), sites)

    return make


def rows_of(task: Task, *, padded: bool) -> Iterator[BatchRows]:
    return (task.tables.lookup.rows(each, task.share, padded=padded) for each in task.training_batches(0))


def shape_of(rows: BatchRows) -> tuple[int, int, int]:
    return len(rows.index_B), len(rows.point_C), len(rows.residue_U)


def widened(batch: Batch, kind: torch.dtype) -> Batch:
    parts = {name: part for name, part in batch._asdict().items() if part is not None and part.is_floating_point()}
    return batch._replace(**{name: part.to(kind) for name, part in parts.items()})


def step(task: Task, rows: BatchRows, kind: torch.dtype) -> tuple[Tensor, Losses, dict[str, Tensor]]:
    """Logits, losses, and what a step changes: gradients and running statistics, by name."""
    network, objective = build_network(task).to(kind).train(), build_objective(task).to(kind)
    with torch.no_grad():
        torch.manual_seed(1)
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    batch = widened(task.tables.collect(rows), kind)
    scores = network(batch)
    losses: Losses = objective(scores, batch)
    losses.total.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}
    return scores.logit_B.detach(), losses, gradients | dict(network.named_buffers())


@pytest.mark.parametrize("grouping", ["protein", "residue"])
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_what_is_added_changes_neither_logits_nor_gradients_nor_statistics(
    grouping: str, norm: str, task_of: Any
) -> None:
    """In 32 bits the rounding of sums alone differs, below 1e-5 of the largest; in 64 bits below 1e-12."""
    task = task_of(grouping, norm, **{"model.modality_dropout": 0.0})
    plain, padded = next(rows_of(task, padded=False)), next(rows_of(task, padded=True))
    assert len(padded.point_C) > len(plain.point_C)
    for kind, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        expected_B, expected, wanted = step(task, plain, kind)
        found_B, losses, found = step(task, padded, kind)
        assert norm == "batch" or torch.equal(found_B, expected_B), "no row of a product sees another"
        assert torch.allclose(found_B, expected_B, rtol=tolerance, atol=tolerance)
        for name, loss in losses._asdict().items():
            assert torch.allclose(loss, getattr(expected, name), rtol=tolerance), name
        assert wanted.keys() == found.keys()
        largest = max(float(tensor.abs().max()) for name, tensor in wanted.items() if "num_batches" not in name)
        for name, tensor in found.items():
            assert float((tensor - wanted[name]).abs().max()) <= tolerance * largest, name


@pytest.mark.parametrize("counted", [1, 2, 17])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_batch_norm_over_counted_rows_is_that_of_these_rows(counted: int, momentum: float | None) -> None:
    """A single one, too, which has no variance; and however often: statistics run on."""
    draw = torch.Generator().manual_seed(counted)
    alone, among = BatchNorm(5, momentum=momentum).double(), BatchNorm(5, momentum=momentum).double()
    for _ in range(3):
        row_XW = torch.randn(20, 5, generator=draw, dtype=torch.float64)
        one_XW, all_XW = row_XW[:counted].clone().requires_grad_(), row_XW.clone().requires_grad_()
        expected, found = alone(one_XW), among(all_XW, torch.arange(20) < counted)[:counted]
        weight_XW = torch.randn(counted, 5, generator=draw, dtype=torch.float64)
        (expected * weight_XW).sum().backward()
        (found * weight_XW).sum().backward()
        assert one_XW.grad is not None
        assert all_XW.grad is not None
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(all_XW.grad[:counted], one_XW.grad)
        assert not all_XW.grad[counted:].any()
    for name, buffer in alone.named_buffers():
        torch.testing.assert_close(dict(among.named_buffers())[name], buffer, msg=name)


@given(rows=st.integers(1, 4_000_000))
def test_padding_adds_a_quarter_at_most_and_has_four_sizes_an_octave(rows: int) -> None:
    size = recurring(rows)
    assert rows <= size <= max(1.25 * rows, rows + FEWEST_ROWS - 1)
    assert size % FEWEST_ROWS == 0
    assert recurring(size) == size
    octave = {recurring(each) for each in np.linspace(size + 1, 2 * size, 200).astype(int).tolist()}
    assert len(octave) <= 5


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_an_epoch_has_few_shapes(grouping: str, task_of: Any) -> None:
    task = task_of(grouping, "layer", **{"data.batch_size": 32})
    shapes, plain = (set(map(shape_of, rows_of(task, padded=padded))) for padded in (True, False))
    assert len(shapes) <= 4
    assert grouping == "point" or len(shapes) < len(plain) / 2


@pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores:UserWarning")
@pytest.mark.parametrize(("device", "backend"), [("cpu", "eager"), on_gpus("inductor")])
def test_a_shape_is_compiled_once_and_as_a_whole(device: str, backend: str, task_of: Any) -> None:
    """And gives what the network gives that is not compiled."""
    task = task_of("residue", "batch", **{"data.batch_size": 32, "model.periodic": None, "model.modality_dropout": 0.0})
    some = sorted(rows_of(task, padded=True), key=shape_of)[:6]
    network, tables = build_network(task).to(device).train(), task.tables.to(device)
    torch._dynamo.reset()
    counters.clear()
    with compiled(network, backend):
        for rows in some:
            batch = tables.collect(rows)
            torch.testing.assert_close(network(batch).logit_B, network.forward(batch).logit_B)
    assert counters["stats"]["unique_graphs"] == len(set(map(shape_of, some))) < len(some)


def recorded(step: Callable[[], None], device: str) -> Callable[[], None]:
    """A step that can be repeated: on a GPU one CUDA graph, which reads and writes where it did when it was captured.

    Source of the order: https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture
    """
    if device == "cpu":
        return step
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


@pytest.mark.parametrize("device", ["cpu", on_gpus()])
def test_a_recorded_step_serves_every_batch_of_its_shape(device: str, task_of: Any) -> None:
    """Its gradients are those of a step of its own: nothing in it depends on how many contexts count."""
    task = task_of("residue", "batch", **{"data.batch_size": 32, "model.modality_dropout": 0.0})
    network, objective = build_network(task).to(device).train(), build_objective(task).to(device)
    by_shape = groupby(sorted(rows_of(task, padded=True), key=shape_of), key=shape_of)
    first, *others = max((list(rows) for _, rows in by_shape), key=len)
    assert len({int(rows.counted_C.sum()) for rows in others if rows.counted_C is not None}) > 1
    tables = task.tables.to(device)
    batch = tables.collect(first)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        objective(network(batch), batch).total.backward()

    replay = recorded(step, device)
    for rows in others[:4]:
        for part, new in zip(batch, tables.collect(rows), strict=True):
            if part is not None and new is not None:
                part.copy_(new)
        replay()
        found = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        apart = build_network(task).to(device).train()
        objective(apart(batch), batch).total.backward()
        wanted = [parameter.grad for parameter in apart.parameters() if parameter.grad is not None]
        assert len(found) == len(wanted) > 0
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)


def test_batches_of_a_run_are_padded_where_it_is_compiled(task_of: Any) -> None:
    """A run that is not keeps its bits."""
    index_B = task_of("residue", "batch").training_batches(0)[0]
    assert task_of("residue", "batch").rows(index_B).counted_C is None
    assert task_of("residue", "batch", **{"trainer.compile": True}).rows(index_B).counted_C is not None
    assert task_of("point", "batch", **{"trainer.compile": True}).rows(index_B).counted_C is None
