from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from small_sites import small_sites

from kag.data.batches import IndexVector, training_batches
from kag.data.epochs import EpochBatches
from kag.data.rows import BatchRows
from kag.data.tables import SiteTables
from kag.spec.run import DataSpec

SITES = small_sites([50, 40, 10, 10], [0, 0, 1, 2])
ROWS = partial(SiteTables.from_sites(SITES, 30.0).lookup.rows, share="residues")


def batches_of(epoch: int) -> list[IndexVector]:
    return training_batches(SITES, DataSpec(file="x", batch_size=16), seed=5, epoch=epoch)


def epochs(count: int) -> list[list[list[int]]]:
    loader = EpochBatches(batches_of, ROWS)
    seen = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)
        assert len(loader) == len(batches_of(epoch))
        seen.append([rows.index_B.tolist() for rows in loader])
    return seen


def test_every_epoch_has_its_own_batches() -> None:
    wanted = [[batch.tolist() for batch in batches_of(epoch)] for epoch in range(3)]
    assert epochs(3) == wanted
    assert wanted[0] != wanted[1]


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    epochs(2)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_comes_out_can_be_gathered() -> None:
    tables = SiteTables.from_sites(SITES, 30.0)
    points = [point for rows in EpochBatches(batches_of, ROWS) for point in tables.collect(rows).index_B]
    assert sorted(int(point) for point in points) == SITES.index("train").tolist()


def test_an_epoch_is_computed_once() -> None:
    asked: list[int] = []

    def counting(inner: Callable[[int], list[IndexVector]]) -> Callable[[int], list[IndexVector]]:
        def batches(epoch: int) -> list[IndexVector]:
            asked.append(epoch)
            return inner(epoch)

        return batches

    loader = EpochBatches(counting(batches_of), ROWS)
    loader.sampler.set_epoch(3)
    assert len(loader) == len(list(loader))
    assert np.array_equal(asked, [0, 3])


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_a_batch_is_found_while_the_one_before_it_is_used() -> None:
    """In another thread, a step ahead and no more, and in the order of the epoch."""
    asked: list[int] = []
    second = threading.Event()

    def rows(batch: IndexVector) -> BatchRows:
        assert threading.current_thread() is not threading.main_thread()
        asked.append(int(batch[0]))
        if len(asked) == 2:
            second.set()
        return ROWS(batch)

    batches = batches_of(0)
    drawing = iter(EpochBatches(batches_of, rows))
    seen = [next(drawing)]
    assert second.wait(timeout=60), "the second is there before anybody asks for it"
    assert len(asked) == 2
    seen += drawing
    assert asked == [int(batch[0]) for batch in batches]
    for one, batch in zip(seen, batches, strict=True):
        for found, expected in zip(one, ROWS(batch), strict=True):
            assert found is expected is None or torch.equal(found, expected)
    assert not threads()


def test_the_thread_ends_with_training_that_ends_inside_an_epoch() -> None:
    drawing = EpochBatches(batches_of, ROWS)._a_step_ahead(batches_of(0))
    next(drawing)
    assert threads()
    drawing.close()
    assert not threads()


def test_what_goes_wrong_ahead_is_raised_where_its_batch_is_asked_for() -> None:
    def rows(batch: IndexVector) -> BatchRows:
        if np.array_equal(batch, batches_of(0)[1]):
            raise KeyError("second")
        return ROWS(batch)

    drawing = iter(EpochBatches(batches_of, rows))
    next(drawing)
    with pytest.raises(KeyError, match="second"):
        next(drawing)
    assert not threads()
