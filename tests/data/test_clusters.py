"""Which proteins belong together: from a file of its own or a dataset of the data file, numbered by their first one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.data.clusters import read_clusters
from kag.data.opened import open_sites
from kag.data.read import read_sites
from kag.data.sites import Purpose, Sites
from kag.data.soundness import soundness
from kag.data.summary import summary
from kag.errors import DataError
from kag.stats.scores import clustered
from tests.data.small_sites import small_sites

PROTEINS = ("1abc_A", "2xyz_A", "3def_B")


@given(st.lists(st.integers(0, 5), max_size=12))
def test_clusters_are_numbered_by_their_first_member_whatever_they_are_called(names: list[int]) -> None:
    found = clustered(np.array(names, dtype=str))
    if found is None:
        assert len(set(names)) == len(names)
        return
    firsts = list(dict.fromkeys(names))
    assert found.tolist() == [firsts.index(name) for name in names]
    assert np.array_equal(found, clustered(found))


def test_a_file_says_which_proteins_belong_together(tmp_path: Path) -> None:
    file = tmp_path / "clusters.csv"
    file.write_text("cluster, identity,protein\nb,0.9, 3def_B\nb,1.0,1abc_A\na,1,2xyz_A\nb,1,of other data\n")
    found = read_clusters(file, PROTEINS)
    assert found is not None
    assert found.tolist() == [0, 1, 0]
    assert read_clusters(file, PROTEINS[:2]) is None, "the other of the two is not there"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("protein,cluster\n1abc_A,a\n2xyz_A,a\n", "has no line for 1 of 3 proteins, the first is `3def_B`"),
        ("protein,cluster\n1abc_A,a\n2xyz_A,a\n3def_A,a\n", "nearest: 3def_A"),
        ("protein,family\n1abc_A,a\n", "has no column `cluster`\n  nearest: protein, family"),
        ("1abc_A,a\n2xyz_A,a\n", "has no column `protein`"),
        ("", "has no column `protein`"),
        ("protein,cluster\n1abc_A,\n", "a cluster is empty"),
        ("protein,cluster\n,a\n", "a protein is empty"),
        ("protein,cluster\n1abc_A,a\n1abc_A,b\n", "`1abc_A` is in two clusters, `a` and `b`"),
        ("protein,cluster\n1abc_A,a,b\n", "line 2 has 3 cells, not 2"),
        ("\x00", "no column `protein`"),
        (None, "there is no such file"),
    ],
)
def test_a_faulty_file_is_refused_with_the_remedy(text: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "clusters.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError) as refused:
        read_clusters(file, PROTEINS)
    assert said in str(refused.value)
    assert str(file) in str(refused.value)
    assert refused.value.remedy or "two clusters" in said


@pytest.fixture
def with_dataset(synthetic_file: Path, tmp_path: Path) -> Path:
    """The same data with a dataset of clusters: proteins by the parity of their number."""
    path = tmp_path / "clustered.h5"
    path.write_bytes(synthetic_file.read_bytes())
    with h5py.File(path, "a") as file:
        keys = [key.decode() for key in file["protein_keys"][()]]
        file["protein_clusters"] = [f"c{int(key[5:10]) % 2}".encode() for key in keys]
    return path


def test_a_dataset_of_the_data_file_does_the_same_and_changes_no_digest(
    with_dataset: Path, synthetic_file: Path, tmp_path: Path
) -> None:
    plain, found = read_sites(synthetic_file), read_sites(with_dataset)
    assert found.digest == plain.digest
    assert plain.cluster_P is None
    assert found.cluster_P is not None
    assert found.cluster_P.tolist() == [place % 2 for place in range(len(found.proteins))]
    assert (summary(found).clusters, summary(plain).clusters) == (2, None)
    file = tmp_path / "other.csv"
    file.write_text("protein,cluster\n" + "".join(f"{protein},all\n" for protein in found.proteins))
    instead = open_sites(with_dataset, Purpose.EVALUATION, clusters=file).cluster_P
    assert instead is not None
    assert set(instead.tolist()) == {0}, "a file of its own stands above the dataset"


@pytest.mark.parametrize(("name", "said"), [(b"c9", "is in two clusters"), (b"", "the cluster is empty")])
def test_a_point_out_of_the_cluster_of_its_protein_is_refused(with_dataset: Path, name: bytes, said: str) -> None:
    with h5py.File(with_dataset, "a") as file:
        file["protein_clusters"][7] = name
    with pytest.raises(DataError, match=said) as refused:
        read_sites(with_dataset)
    assert "dataset `protein_clusters`, row 7" in str(refused.value)


def homologues(*cluster_P: int) -> Sites:
    """Four proteins: two train, one val, one test."""
    return replace(small_sites([4, 4, 4, 4], [0, 0, 1, 2]), cluster_P=np.array(cluster_P))


def test_of_some_proteins_the_clusters_are_those_among_them() -> None:
    sites = homologues(0, 1, 1, 1)
    held_out_N = np.flatnonzero(sites.protein_N >= 2)
    found = sites.clusters(held_out_N)
    assert found is not None
    assert found.tolist() == [0, 0], "numbered anew"
    assert sites.clusters(sites.index("val")) is None
    assert replace(sites, cluster_P=None).clusters(held_out_N) is None


def test_homologues_in_two_splits_are_a_finding() -> None:
    found = {finding.code: finding for finding in soundness(homologues(0, 1, 0, 1))}["cluster_in_two_splits"]
    assert found.sentence == (
        "2 of 2 clusters lie in two splits: p0 (train) and p2 (val) belong together, so that one tells of the other"
    )
    assert (found.evidence["clusters"], found.evidence["first"]) == (2, "p2")
    for whole in (homologues(0, 0, 1, 2), replace(homologues(0, 1, 2, 3), cluster_P=None)):
        assert "cluster_in_two_splits" not in {finding.code for finding in soundness(whole)}
