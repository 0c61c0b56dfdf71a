from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from malformed_files import corrupt_chunk, replace

from kag.data.read import read_sites
from kag.data.sites import Sites, contexts
from kag.data.soundness import soundness
from kag.data.synth import synthesise
from kag.errors import DataError


@pytest.fixture
def copy(tmp_path: Path, default_file: Path) -> Path:
    return Path(shutil.copy(default_file, tmp_path / "copy.h5"))


def edit(path: Path, change: Callable[[h5py.File], None]) -> Sites:
    with h5py.File(path, "r+") as file:
        change(file)
    return read_sites(path)


def test_arrays_are_those_of_the_file(default_file: Path, synthetic_sites: Sites) -> None:
    sites = synthetic_sites
    with h5py.File(default_file) as file:
        assert np.array_equal(sites.tabular_NF, file["tabular"][:])
        assert np.array_equal(sites.label_N, file["labels"][:])
        assert np.array_equal(sites.residue_RD, file["residue_embeddings"][:])
        assert np.array_equal(sites.residue_RD[sites.centre_N], file["esm"][:])
        assert np.array_equal(sites.neighbour_NK, file["neighbor_residue_indices"][:])
        there_NK = sites.neighbour_NK >= 0
        assert np.array_equal(sites.distance_NK[there_NK], file["neighbor_distances"][:][there_NK].astype(np.float32))
        assert np.isinf(sites.distance_NK[~there_NK]).all()
        assert [sites.proteins[code].encode() for code in sites.protein_N] == file["protein_keys"][:].tolist()
        assert np.array_equal(sites.residue_number_R, file["residue_numbers_table"][:])
    types = [array.dtype.name for array in (sites.tabular_NF, sites.label_N, sites.centre_N, sites.neighbour_NK)]
    assert types == ["float32", "uint8", "int32", "int32"]
    assert (sites.distance_NK.dtype, sites.protein_N.dtype, sites.split_N.dtype) == (np.float32, np.int32, np.int8)


def test_splits_partition_the_points(synthetic_sites: Sites) -> None:
    index = np.concatenate([synthetic_sites.index(split) for split in ("train", "val", "test")])
    assert sorted(index.tolist()) == list(range(synthetic_sites.points))
    train = synthetic_sites.index("train")
    assert synthetic_sites.prevalence("train") == pytest.approx(synthetic_sites.label_N[train].mean())
    with pytest.raises(DataError, match="no split `dev`"):
        synthetic_sites.index("dev")


def test_sites_are_frozen_and_hashed_by_identity(default_file: Path, synthetic_sites: Sites) -> None:
    with pytest.raises(AttributeError):
        synthetic_sites.digest = "x"  # type: ignore[misc]
    again = read_sites(default_file)
    assert again != synthetic_sites
    assert len({again, synthetic_sites, synthetic_sites}) == 2
    assert again.digest == synthetic_sites.digest


def _stored_otherwise(file: h5py.File) -> None:
    for name in list(file):
        if h5py.check_string_dtype(file[name].dtype):
            replace(file, name, np.array(file[name][:].tolist(), dtype="S40"), compression="gzip")
        else:
            chunks = (77, *file[name].shape[1:])
            replace(file, name, file[name][:], chunks=chunks, compression="lzf", shuffle=True, fletcher32=True)


def _other_types(file: h5py.File) -> None:
    for name, dtype in (
        ("tabular", ">f8"),
        ("labels", "u1"),
        ("split", "i8"),
        ("neighbor_residue_indices", ">i8"),
        ("residue_embeddings", "f8"),
        ("neighbor_distances", "f4"),
        ("residue_numbers", "i2"),
    ):
        replace(file, name, file[name][:].astype(dtype))


def _contiguous(file: h5py.File) -> None:
    for name in list(file):
        replace(file, name, file[name][:])


def _bare(file: h5py.File) -> None:
    for name in ("esm", "neighbor_resnums", "feature_names"):
        del file[name]
    for name in list(file.attrs):
        del file.attrs[name]


@pytest.mark.parametrize("store", [_stored_otherwise, _other_types, _contiguous, _bare])
def test_how_a_file_is_stored_does_not_matter(
    copy: Path, synthetic_sites: Sites, store: Callable[[h5py.File], None]
) -> None:
    sites = edit(copy, store)
    assert sites.digest == synthetic_sites.digest
    assert sites.proteins == synthetic_sites.proteins
    assert np.array_equal(sites.context_N, synthetic_sites.context_N)


def _flip_labels_of_two(file: h5py.File) -> None:
    labels = file["labels"][:]
    one, zero = labels.argmax(), labels.argmin()
    labels[one], labels[zero] = 0, 1
    file["labels"][:] = labels


def _swap_splits(file: h5py.File) -> None:
    file["split"][:] = np.array([0, 2, 1])[file["split"][:]]


def _rename_protein(file: h5py.File) -> None:
    for name in ("protein_keys", "residue_protein_keys"):
        keys = file[name][:]
        keys[keys == b"synth00003_A"] = b"synth00003_B"
        file[name][:] = keys


def _nudge(name: str, place: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][place] = file[name][place] * 1.25 + 0.5

    return change


def _move_neighbour(file: h5py.File) -> None:
    del file["neighbor_resnums"]
    file["neighbor_residue_indices"][100, 0] += 1


@pytest.mark.parametrize(
    "change",
    [
        _flip_labels_of_two,
        _swap_splits,
        _rename_protein,
        _move_neighbour,
        _nudge("tabular", (0, 1)),
        _nudge("neighbor_distances", (0, 0)),
    ],
)
def test_what_a_file_says_matters(copy: Path, synthetic_sites: Sites, change: Callable[[h5py.File], None]) -> None:
    assert edit(copy, change).digest != synthetic_sites.digest


def test_an_embedding_matters(copy: Path, synthetic_sites: Sites) -> None:
    def change(file: h5py.File) -> None:
        del file["esm"]
        file["residue_embeddings"][5, 5] += 1.0

    assert edit(copy, change).digest != synthetic_sites.digest


def test_reading_touches_few_chunks_of_esm(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        replace(file, "esm", file["esm"][:], chunks=(75, 32), fletcher32=True)
        chunks = file["esm"].id.get_num_chunks()
    intact = copy.read_bytes()
    faults = []
    for chunk in range(chunks):
        corrupt_chunk(copy, "esm", 75 * chunk)
        try:
            read_sites(copy)
        except DataError as error:
            faults.append(str(error))
        copy.write_bytes(intact)
    assert chunks == 64
    assert 2 <= len(faults) <= 16
    assert all("`esm`" in fault and "damaged" in fault for fault in faults)


def test_an_esm_that_repeats_other_residues_is_refused_wherever_it_begins(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["esm"][4700:] = file["esm"][:100]
    with pytest.raises(DataError, match="`esm`, row"):
        read_sites(copy)


def test_an_esm_of_half_precision_is_proved_in_half_precision(copy: Path, synthetic_sites: Sites) -> None:
    def change(file: h5py.File) -> None:
        replace(file, "esm", file["esm"][:].astype(np.float16))

    assert edit(copy, change).digest == synthetic_sites.digest


def _rename_residue(file: h5py.File) -> None:
    """The residue of point 1000 has no row in the table any more."""
    del file["neighbor_resnums"]
    row = read_sites(Path(file.filename)).centre_N[1000]
    file["residue_numbers_table"][row] = 9999


def _ambiguous_residue(file: h5py.File) -> None:
    """The residue of point 1000 has two rows with different embeddings in the table."""
    del file["neighbor_resnums"]
    row = read_sites(Path(file.filename)).centre_N[1000]
    file["residue_numbers_table"][row + 1] = file["residue_numbers_table"][row]


def _negative_numbers(file: h5py.File) -> None:
    """Points without a residue number carry -1 and an embedding of their own, the same in all of a protein."""
    numbers, esm = file["residue_numbers"][:], file["esm"][:]
    numbers[400:600], esm[400:600] = -1, np.float32(0.25)
    file["residue_numbers"][:], file["esm"][:] = numbers, esm


@pytest.mark.parametrize("change", [_rename_residue, _ambiguous_residue, _negative_numbers])
def test_centres_that_the_table_lacks_come_from_esm(
    copy: Path, synthetic_sites: Sites, change: Callable[[h5py.File], None]
) -> None:
    with h5py.File(copy, "r+") as file:
        file.flush()
        change(file)
        esm_ND = file["esm"][:]
    sites = read_sites(copy)
    assert np.array_equal(sites.residue_RD[sites.centre_N], esm_ND)
    assert synthetic_sites.residues < sites.residues <= synthetic_sites.residues + 2
    assert len(sites.residue_number_R) == sites.residues
    assert sites.centre_N.max() == sites.residues - 1


def test_padding_with_the_centre_is_a_missing_neighbour(copy: Path, synthetic_sites: Sites) -> None:
    def pad(file: h5py.File) -> None:
        point = 1234
        file["neighbor_residue_indices"][point, 1:] = synthetic_sites.centre_N[point]
        file["neighbor_resnums"][point, 1:] = file["residue_numbers"][point]
        file["neighbor_distances"][point, 1:] = 0.0

    sites = edit(copy, pad)
    assert (sites.neighbour_NK[1234] >= 0).tolist() == [True, False, False]
    assert np.isinf(sites.distance_NK[1234, 1:]).all()


@pytest.mark.parametrize("distance", [999.0, 0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("index", [-1, -(2**31)])
def test_the_distance_of_a_missing_neighbour_is_not_looked_at(copy: Path, distance: float, index: int) -> None:
    def drop(file: h5py.File) -> None:
        file["neighbor_residue_indices"][10, 2] = index
        file["neighbor_distances"][10, 2] = distance

    sites = edit(copy, drop)
    assert sites.neighbour_NK[10, 2] == -1
    assert np.isinf(sites.distance_NK[10, 2])


def test_interleaved_proteins_read_as_well_as_sorted_ones(copy: Path, synthetic_sites: Sites) -> None:
    order = np.random.default_rng(1).permutation(synthetic_sites.points)

    def scramble(file: h5py.File) -> None:
        for name in list(file):
            if file[name].shape[0] == len(order):
                replace(file, name, file[name][:][order], dtype=file[name].dtype)

    sites = edit(copy, scramble)
    assert np.array_equal(sites.protein_N, synthetic_sites.protein_N[order])
    assert np.array_equal(sites.centre_N, synthetic_sites.centre_N[order])
    assert sites.contexts == synthetic_sites.contexts


def test_contexts_are_the_centres_where_neighbours_follow_from_them(synthetic_sites: Sites) -> None:
    _, wanted_N = np.unique(synthetic_sites.centre_N, return_inverse=True)
    assert np.array_equal(synthetic_sites.context_N, wanted_N)
    assert synthetic_sites.contexts < synthetic_sites.points


@pytest.mark.parametrize("differs", ["neighbours", "distances"])
def test_contexts_are_distinct_triples_where_they_do_not(synthetic_sites: Sites, differs: str) -> None:
    sites = synthetic_sites
    neighbour_NK, distance_NK = sites.neighbour_NK.copy(), sites.distance_NK.copy()
    if differs == "neighbours":
        neighbour_NK[::2, 0] = 0
    else:
        distance_NK[::2, 0] += 0.5
    context_N = contexts(sites.centre_N, neighbour_NK, distance_NK)
    triples = [
        (centre, neighbours.tobytes(), distances.tobytes())
        for centre, neighbours, distances in zip(sites.centre_N, neighbour_NK, distance_NK, strict=True)
    ]
    assert len(set(triples)) == context_N.max() + 1 > sites.contexts
    assert len(set(zip(triples, context_N.tolist(), strict=True))) == len(set(triples))


def test_a_file_of_full_width_is_read(tmp_path: Path) -> None:
    synthesise(tmp_path / "wide.h5", proteins=3, points_per_protein=30, embedding=2560)
    sites = read_sites(tmp_path / "wide.h5")
    assert (sites.points, sites.embedding) == (90, 2560)


def test_the_real_file(real_file: Path) -> None:
    sites = read_sites(real_file)
    assert (len(sites.proteins), sites.points, sites.residues, sites.embedding) == (262, 96_382, 77_672, 320)
    assert [len(sites.index(split)) for split in ("train", "val", "test")] == [69_180, 11_238, 15_964]
    assert sites.contexts == len(np.unique(sites.centre_N)) == 45_507
    assert (sites.neighbour_NK >= 0).all()
    assert sites.distance_NK.max() == pytest.approx(10.96, abs=0.01)
    assert soundness(sites) == []
    with h5py.File(real_file) as file:
        some = [0, 50_000, 96_381]  # at once: the file has one chunk, which each reading unpacks
        assert np.array_equal(sites.residue_RD[sites.centre_N[some]], file["esm"][some])
