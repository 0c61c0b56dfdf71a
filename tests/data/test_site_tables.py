from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_sites import small_sites

from kag.data.rows import Share
from kag.data.sites import Sites, contexts
from kag.data.tables import SiteTables, train_statistics
from kag.model.batch import Batch

FAR = 6.0


@pytest.fixture(scope="module")
def ragged_sites(synthetic_sites: Sites) -> Sites:
    """Neighbours that are not a function of the centre: every third point lacks its first one."""
    neighbour_NK, distance_NK = synthetic_sites.neighbour_NK.copy(), synthetic_sites.distance_NK.copy()
    neighbour_NK[::3, 0], distance_NK[::3, 0] = -1, np.inf
    return dataclasses.replace(
        synthetic_sites,
        neighbour_NK=neighbour_NK,
        distance_NK=distance_NK,
        context_N=contexts(synthetic_sites.centre_N, neighbour_NK, distance_NK),
    )


def reference(sites: Sites, index_B: list[int]) -> dict[str, np.ndarray]:
    """The batch by one Python loop over points and neighbours, C = B."""
    width = sites.embedding
    rows: dict[str, list[object]] = {"centre_CD": [], "neighbour_CKD": [], "distance_CK": [], "valid_CK": []}
    for point in index_B:
        embeddings, distances, valid = [], [], []
        for neighbour, distance in zip(sites.neighbour_NK[point], sites.distance_NK[point], strict=True):
            seen = neighbour >= 0 and distance <= FAR
            embeddings.append(sites.residue_RD[neighbour] if seen else np.zeros(width, np.float32))
            distances.append(distance if seen else np.float32(FAR))
            valid.append(bool(seen))
        rows["centre_CD"].append(sites.residue_RD[sites.centre_N[point]])
        rows["neighbour_CKD"].append(embeddings)
        rows["distance_CK"].append(distances)
        rows["valid_CK"].append(valid)
    return {name: np.asarray(value) for name, value in rows.items()}


def expanded(batch: Batch) -> dict[str, np.ndarray]:
    """The C axis laid out over the points."""
    names = ("centre_CD", "neighbour_CKD", "distance_CK", "valid_CK")
    return {name: getattr(batch, name)[batch.context_B].numpy() for name in names}


@pytest.mark.parametrize("kind", ["synthetic_sites", "ragged_sites"])
@pytest.mark.parametrize("share", get_args(Share))
def test_gather_equals_a_plain_loop(request: pytest.FixtureRequest, kind: str, share: Share) -> None:
    sites: Sites = request.getfixturevalue(kind)
    index_B = np.random.default_rng(0).integers(sites.points, size=300)
    batch = SiteTables.from_sites(sites, FAR).gather(torch.from_numpy(index_B), share=share)
    wanted = reference(sites, index_B.tolist())
    found = expanded(batch)
    for name in wanted:
        assert np.array_equal(found[name], wanted[name]), name
    assert 0 < wanted["valid_CK"].mean() < 1
    assert np.array_equal(batch.tabular_BF.numpy(), sites.tabular_NF[index_B])
    assert np.array_equal(batch.label_B.numpy(), sites.label_N[index_B].astype(np.float32))
    assert batch.label_B.dtype == torch.float32
    assert np.array_equal(batch.index_B.numpy(), index_B)
    assert batch.distance_CK.max() == FAR


@pytest.mark.parametrize("kind", ["synthetic_sites", "ragged_sites"])
def test_sharing_computes_each_context_once(request: pytest.FixtureRequest, kind: str) -> None:
    sites: Sites = request.getfixturevalue(kind)
    index_B = torch.from_numpy(sites.index("val"))
    tables = SiteTables.from_sites(sites, FAR)
    shared, plain = tables.gather(index_B, share="residues"), tables.gather(index_B, share="nothing")
    triples = {
        (int(sites.centre_N[point]), sites.neighbour_NK[point].tobytes(), sites.distance_NK[point].tobytes())
        for point in sites.index("val")
    }
    assert len(shared.centre_CD) == len(triples) < len(plain.centre_CD) == len(index_B)
    assert plain.context_B.tolist() == list(range(len(index_B)))


@given(st.lists(st.integers(0, 39), min_size=1, max_size=60), st.floats(1.0, 9.0))
def test_sharing_changes_nothing_after_expansion(index: list[int], max_distance: float) -> None:
    tables = SiteTables.from_sites(small_sites([20, 10, 10], [0, 1, 2], shuffle=1), max_distance)
    index_B = torch.tensor(index)
    shared, plain = (
        expanded(tables.gather(index_B, share="residues")),
        expanded(tables.gather(index_B, share="nothing")),
    )
    for name in plain:
        assert np.array_equal(shared[name], plain[name])


def test_tables_share_memory_with_the_arrays_and_gather_leaves_them_alone(synthetic_sites: Sites) -> None:
    tables = SiteTables.from_sites(synthetic_sites, 4.0)
    before = {name: item.clone() for name, item in tables._asdict().items() if isinstance(item, torch.Tensor)}
    assert tables.residue_RD.data_ptr() == synthetic_sites.residue_RD.ctypes.data
    assert tables.tabular_NF.data_ptr() == synthetic_sites.tabular_NF.ctypes.data
    batch = tables.gather(torch.arange(50), share="residues")
    batch.residue_UD.zero_()
    for name, tensor in before.items():
        assert torch.equal(getattr(tables, name), tensor), name


def test_moved_tables_gather_the_same(synthetic_sites: Sites) -> None:
    tables = SiteTables.from_sites(synthetic_sites, FAR)
    moved = tables.to(torch.device("cpu"))
    index_B = torch.arange(100)
    for one, other in zip(
        tables.gather(index_B, share="residues"), moved.gather(index_B, share="residues"), strict=True
    ):
        assert one is other is None or torch.equal(one, other)
    assert moved.max_distance == FAR


def test_statistics_are_those_of_the_signed_log_over_the_train_split(synthetic_sites: Sites) -> None:
    mean_F, std_F = (statistic_F.numpy() for statistic_F in train_statistics(synthetic_sites))
    train_NF = synthetic_sites.tabular_NF[synthetic_sites.split_N == 0].astype(np.float64)
    logged_NF = np.sign(train_NF) * np.log1p(np.abs(train_NF))
    assert train_NF.min() < -100
    assert np.allclose(mean_F, logged_NF.mean(axis=0), rtol=1e-6)
    assert np.allclose(std_F[:-1], logged_NF.std(axis=0)[:-1], rtol=1e-6)
    assert std_F[-1] == 1.0


def test_statistics_do_not_see_val_and_test(synthetic_sites: Sites) -> None:
    changed_NF = synthetic_sites.tabular_NF.copy()
    changed_NF[synthetic_sites.split_N != 0] = 1e6
    changed = dataclasses.replace(synthetic_sites, tabular_NF=changed_NF)
    for one, other in zip(train_statistics(synthetic_sites), train_statistics(changed), strict=True):
        assert torch.equal(one, other)
