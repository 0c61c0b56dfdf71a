from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sites import small_sites

from kag.data.batches import evaluation_batches, points_of_epoch, shard, training_batches
from kag.data.sites import Sites
from kag.errors import DataError
from kag.spec.run import DataSpec

GROUPINGS: tuple[str, ...] = get_args(DataSpec.model_fields["grouping"].annotation)


@st.composite
def any_sites(draw: st.DrawFn) -> Sites:
    points_P = draw(st.lists(st.integers(1, 12), min_size=3, max_size=12))
    split_P = [0, 1, 2, *draw(st.lists(st.integers(0, 2), min_size=len(points_P) - 3, max_size=len(points_P) - 3))]
    points_P[0] += 7
    return small_sites(points_P, split_P, shuffle=draw(st.none() | st.integers(0, 99)))


def spec(**changes: object) -> DataSpec:
    return DataSpec.model_validate({"file": "sites.h5", "batch_size": 8, **changes})


@given(any_sites(), st.sampled_from(GROUPINGS), st.integers(2, 40), st.integers(1, 4), st.integers(0, 5))
def test_an_epoch_shows_every_training_point_once_in_even_batches(
    sites: Sites, grouping: str, batch_size: int, world: int, epoch: int
) -> None:
    data = spec(grouping=grouping, batch_size=batch_size)
    batches = training_batches(sites, data, seed=3, epoch=epoch, world=world)
    sizes = [len(batch) for batch in batches]
    assert sorted(np.concatenate(batches).tolist()) == sites.index("train").tolist()
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1
    assert max(sizes) <= batch_size
    assert len(batches) % world == 0
    assert len(batches) < len(sites.index("train")) / batch_size + world


@given(any_sites(), st.sampled_from(GROUPINGS), st.integers(1, 4))
def test_shards_of_training_partition_the_batches_evenly(sites: Sites, grouping: str, world: int) -> None:
    batches = training_batches(sites, spec(grouping=grouping), seed=0, epoch=0, world=world)
    shards = [shard(batches, rank, world, even=True) for rank in range(world)]
    assert {len(part) for part in shards} == {len(batches) // world}
    assert sorted(index for part in shards for batch in part for index in batch) == sites.index("train").tolist()


def test_uneven_training_batches_are_never_dealt_out() -> None:
    with pytest.raises(ValueError, match="evenly"):
        shard([np.arange(3)] * 5, 0, 2, even=True)


@given(any_sites(), st.integers(1, 30), st.integers(1, 5), st.sampled_from(("train", "val", "test")))
def test_evaluation_shows_every_point_to_one_process_in_whole_proteins(
    sites: Sites, points: int, world: int, split: str
) -> None:
    batches = evaluation_batches(sites, split, points)
    parts = [batch for rank in range(world) for batch in shard(batches, rank, world, even=False)]
    assert sorted(np.concatenate(parts).tolist()) == sites.index(split).tolist()
    holders: dict[int, int] = {}
    for number, batch in enumerate(batches):
        proteins = set(sites.protein_N[batch].tolist())
        assert len(batch) <= points or len(proteins) == 1
        for protein in proteins:
            assert holders.setdefault(protein, number) == number


@given(any_sites(), st.integers(1, 30))
def test_neighbouring_evaluation_batches_could_not_have_been_one(sites: Sites, points: int) -> None:
    sizes = [len(batch) for batch in evaluation_batches(sites, "train", points)]
    first_protein = [
        int((sites.protein_N == sites.protein_N[batch[0]]).sum())
        for batch in evaluation_batches(sites, "train", points)
    ]
    for before, following in zip(sizes, first_protein[1:], strict=False):
        assert before + following > points


@given(any_sites(), st.integers(1, 30), st.integers(1, 12))
def test_evaluation_batches_hold_no_more_contexts_than_wanted_and_as_many_as_fit(
    sites: Sites, points: int, contexts: int
) -> None:
    def held(index_B: np.ndarray) -> int:
        return len(set(sites.context_N[index_B].tolist()))

    batches = evaluation_batches(sites, "train", points, contexts)
    assert sorted(np.concatenate(batches).tolist()) == sites.index("train").tolist()
    for batch in batches:
        assert (len(batch) <= points and held(batch) <= contexts) or len(set(sites.protein_N[batch].tolist())) == 1
    for before, following in pairwise(batches):
        first = following[sites.protein_N[following] == sites.protein_N[following[0]]]
        assert len(before) + len(first) > points or held(before) + held(first) > contexts


@given(any_sites(), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_protein_grouping_takes_one_protein_after_another(sites: Sites, seed: int, epoch: int) -> None:
    batches = training_batches(sites, spec(grouping="protein"), seed=seed, epoch=epoch)
    protein_N = sites.protein_N[np.concatenate(batches)]
    runs = 1 + int((np.diff(protein_N) != 0).sum())
    assert runs == len(set(protein_N.tolist()))


@given(any_sites(), st.integers(0, 2**32 - 1), st.integers(0, 50), st.integers(1, 3))
def test_residue_grouping_takes_one_residue_after_another_over_all_proteins(
    sites: Sites, seed: int, epoch: int, world: int
) -> None:
    batches = training_batches(sites, spec(grouping="residue"), seed=seed, epoch=epoch, world=world)
    centre_N = sites.centre_N[np.concatenate(batches)]
    assert 1 + int((np.diff(centre_N) != 0).sum()) == len(np.unique(centre_N))
    cut = sum(len(np.unique(sites.centre_N[batch])) for batch in batches) - len(np.unique(centre_N))
    assert cut <= len(batches) - 1


def test_residues_are_mixed_over_proteins_as_points_are() -> None:
    """The proteins of a batch are those that as many random residues have."""
    sites = small_sites([64] * 40, [0] * 38 + [1, 2])
    by_residue = training_batches(sites, spec(grouping="residue", batch_size=32), seed=0, epoch=0)
    proteins = [len(np.unique(sites.protein_N[batch])) for batch in by_residue]
    expected = 38 * (1 - (1 - 1 / 38) ** 16)
    assert np.mean(proteins) == pytest.approx(expected, rel=0.05)


@given(any_sites(), st.sampled_from(GROUPINGS), st.integers(1, 3), st.integers(0, 12), st.data())
def test_an_epoch_shows_so_many_points_of_each_residue_and_all_mined_ones(
    sites: Sites, grouping: str, most: int, epoch: int, data: st.DataObject
) -> None:
    train = sites.index("train")
    mined = data.draw(st.lists(st.sampled_from(train.tolist()), min_size=1, max_size=6))
    replay = {"indices": "hard.json", "repeat": 3, "period": 3}
    few = spec(grouping=grouping, points_per_residue=most, replay=replay)
    counted = np.bincount(
        np.concatenate(training_batches(sites, few, seed=1, epoch=epoch, replay_M=np.array(mined))),
        minlength=sites.points,
    )
    active = few.replay is not None and few.replay.active(epoch)
    for residue in np.unique(sites.centre_N[train]):
        points = train[sites.centre_N[train] == residue]
        repeated = np.isin(points, mined) & active
        assert set(counted[points[repeated]]) <= {3}
        assert set(counted[points[~repeated]]) <= {0, 1}
        drawn = int((counted[points] > 0).sum())
        assert min(most, len(points)) <= drawn <= min(most, len(points)) + int(repeated.sum())
    assert counted.sum() == counted[train].sum()
    if not active:
        assert counted.sum() == points_of_epoch(sites, few)


def test_points_of_a_residue_are_drawn_anew_for_each_epoch_and_alike_often() -> None:
    sites = small_sites([6, 2, 2], [0, 1, 2])
    data = spec(points_per_residue=1)
    counted = np.zeros(sites.points)
    for epoch in range(400):
        counted[np.concatenate(training_batches(sites, data, seed=4, epoch=epoch))] += 1
    assert counted[:6].tolist() == pytest.approx([200] * 6, abs=40)
    assert counted[6:].sum() == 0


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_batches_depend_on_seed_and_epoch_and_on_nothing_that_came_before(grouping: str) -> None:
    sites = small_sites([40, 40, 40, 5, 5], [0, 0, 0, 1, 2])
    data = spec(grouping=grouping)

    def flat(seed: int, epoch: int) -> list[int]:
        return np.concatenate(training_batches(sites, data, seed=seed, epoch=epoch)).tolist()

    forward = [flat(1, epoch) for epoch in range(4)]
    assert [flat(1, epoch) for epoch in reversed(range(4))] == forward[::-1]
    different = {tuple(order) for order in [*forward, flat(2, 0), flat(2, 1)]}
    assert len(different) == 6


@given(any_sites(), st.sampled_from(GROUPINGS), st.integers(1, 4), st.integers(0, 12), st.data())
def test_replay_shows_mined_points_repeat_times_in_active_epochs_only(
    sites: Sites, grouping: str, repeat: int, epoch: int, data: st.DataObject
) -> None:
    train = sites.index("train")
    mined = data.draw(st.lists(st.sampled_from(train.tolist()), min_size=1, max_size=6))
    replay = {"indices": "hard.json", "repeat": repeat, "period": 3, "length": 1, "until": 9}
    with_replay = spec(grouping=grouping, replay=replay)
    batches = training_batches(sites, with_replay, seed=1, epoch=epoch, replay_M=np.array(mined))
    counted = np.bincount(np.concatenate(batches), minlength=sites.points)
    active = epoch in (2, 5, 8)
    for index in train.tolist():
        assert counted[index] == (repeat if active and index in mined else 1)
    if not active:
        plain = training_batches(sites, spec(grouping=grouping), seed=1, epoch=epoch)
        assert all(np.array_equal(one, other) for one, other in zip(batches, plain, strict=True))


def test_too_few_points_for_the_processes_are_refused() -> None:
    with pytest.raises(DataError, match="7 points; 4 processes"):
        training_batches(small_sites([7, 2, 2], [0, 1, 2]), spec(), seed=0, epoch=0, world=4)


PRINT_DIGEST = """
import sys, hashlib
from pathlib import Path
from kag.data.batches import evaluation_batches, training_batches
from kag.data.read import read_sites
from kag.spec.run import DataSpec
sites = read_sites(Path(sys.argv[1]))
digest = hashlib.sha256(sites.digest.encode())
for grouping in ("point", "protein", "residue"):
    for batch in training_batches(sites, DataSpec(file="x", grouping=grouping, points_per_residue=1), seed=7, epoch=3):
        digest.update(batch.tobytes())
for batch in evaluation_batches(sites, "val", 500):
    digest.update(batch.tobytes())
print(digest.hexdigest())
"""


def test_batches_and_digest_do_not_depend_on_the_hash_seed(default_file: Path, synthetic_sites: Sites) -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST, str(default_file)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "4242")
    }
    digest = hashlib.sha256(synthetic_sites.digest.encode())
    for grouping in GROUPINGS:
        data = DataSpec.model_validate({"file": "x", "grouping": grouping, "points_per_residue": 1})
        for batch in training_batches(synthetic_sites, data, seed=7, epoch=3):
            digest.update(batch.tobytes())
    for batch in evaluation_batches(synthetic_sites, "val", 500):
        digest.update(batch.tobytes())
    assert printed == {digest.hexdigest()}
