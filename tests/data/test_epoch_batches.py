from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from small_sites import small_sites

from kag.data.batches import IndexVector, training_batches
from kag.data.epochs import EpochBatches
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
