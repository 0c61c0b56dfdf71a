"""Files of any types and shapes of the layout, and one reference at a time broken: each is refused or warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kag.data.layout import OPTIONAL, REQUIRED, SIZES, Layout
from kag.data.read import read_sites
from kag.data.soundness import soundness
from kag.errors import DataError

Arrays = dict[str, Any]
TYPES = {"float": ["<f4", ">f8"], "integer": ["<i4", ">i8", "i2"], "text": [object, "S12"]}
ROWS = 6
"""Residues of a protein, numbered from its own first number."""


@st.composite
def contents(draw: st.DrawFn) -> Arrays:
    """Good arrays by dataset name: 3 to 5 proteins, all optional datasets."""
    proteins, points = draw(st.integers(3, 5)), draw(st.integers(3, 6))
    neighbours, columns, width = draw(st.integers(2, 3)), draw(st.integers(2, 3)), draw(st.integers(2, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    first_N = np.repeat(np.arange(proteins) * ROWS, points)
    centre_N = first_N + random.integers(0, ROWS, len(first_N))
    offset_NK = 1 + np.argsort(random.random((len(first_N), ROWS - 1)), axis=1)[:, :neighbours]
    index_NK = first_N[:, None] + (centre_N[:, None] - first_N[:, None] + offset_NK) % ROWS
    number_R = np.tile(np.arange(1, ROWS + 1), proteins) + draw(st.integers(-3, 90))
    embedding_RD = random.normal(size=(proteins * ROWS, width)).astype(np.float16)
    key_P = np.array([f"chain{protein}" for protein in range(proteins)])
    label_N = np.arange(len(first_N)) % points == 0
    return {
        "tabular": random.normal(size=(len(first_N), columns)).astype(np.float16),
        "labels": label_N.astype(int),
        "split": np.repeat(np.arange(proteins) % 3, points),
        "protein_keys": np.repeat(key_P, points),
        "protein_clusters": np.repeat([f"family{protein % 3}" for protein in range(proteins)], points),
        "residue_numbers": number_R[centre_N],
        "neighbor_residue_indices": index_NK,
        "neighbor_distances": random.uniform(3, 9, index_NK.shape).astype(np.float16),
        "residue_embeddings": embedding_RD,
        "residue_protein_keys": np.repeat(key_P, ROWS),
        "residue_numbers_table": number_R,
        "neighbor_resnums": number_R[index_NK],
        "feature_names": np.array([f"column{column}" for column in range(columns)]),
        "esm": embedding_RD[centre_N],
    }


def write(path: Path, arrays: Arrays, draw: Callable[[Any], Any]) -> None:
    """The arrays as types that the layout takes, cut into chunks or not."""
    with h5py.File(path, "w") as file:
        for layout in (*REQUIRED, *OPTIONAL):
            if layout.name not in arrays:
                continue
            array, kind = np.asarray(arrays[layout.name]), draw(st.sampled_from(TYPES[layout.kind]))
            chunks = (draw(st.integers(1, len(array))), *array.shape[1:]) if draw(st.booleans()) else None
            array = array.astype(kind)
            dtype = h5py.string_dtype() if array.dtype == object else array.dtype
            file.create_dataset(layout.name, data=array, dtype=dtype, chunks=chunks)


def _without(arrays: Arrays, *names: str) -> None:
    for name in names:
        del arrays[name]


def neighbour_of_another_protein(arrays: Arrays) -> str:
    _without(arrays, "neighbor_resnums")
    arrays["neighbor_residue_indices"][-1, 0] = 0
    return "dataset `neighbor_residue_indices`, row"


def neighbour_of_another_protein_with_the_same_number(arrays: Arrays) -> str:
    arrays["neighbor_residue_indices"] %= ROWS
    return "dataset `neighbor_residue_indices`, row"


def neighbour_beyond_the_table(arrays: Arrays) -> str:
    arrays["neighbor_residue_indices"][0, -1] = len(arrays["residue_embeddings"])
    return "dataset `neighbor_residue_indices`, row 0"


def neighbour_of_another_number(arrays: Arrays) -> str:
    arrays["neighbor_resnums"][1, 1] += 50
    return "dataset `neighbor_residue_indices`, row 1"


def neighbour_twice(arrays: Arrays) -> str:
    arrays["neighbor_residue_indices"][2, 1] = arrays["neighbor_residue_indices"][2, 0]
    arrays["neighbor_resnums"][2, 1] = arrays["neighbor_resnums"][2, 0]
    return "neighbours_repeated"


def no_neighbour(arrays: Arrays) -> str:
    arrays["neighbor_residue_indices"][:] = -1
    return "neighbours_missing"


def centre_that_is_no_residue(arrays: Arrays) -> str:
    _without(arrays, "esm")
    arrays["residue_numbers"][2] = 1_000
    return "dataset `residue_numbers`, row 2"


def centre_of_two_residues(arrays: Arrays) -> str:
    _without(arrays, "esm", "neighbor_resnums")
    arrays["residue_numbers_table"][:ROWS] = arrays["residue_numbers"][0]
    return "insertion codes"


def protein_without_residues(arrays: Arrays) -> str:
    _without(arrays, "esm", "neighbor_resnums")
    arrays["residue_protein_keys"][:ROWS] = "elsewhere"
    arrays["neighbor_residue_indices"][arrays["neighbor_residue_indices"] < ROWS] = -1
    return "dataset `residue_numbers`, row 0"


def embedding_of_another_residue(arrays: Arrays) -> str:
    arrays["esm"][0] += 1
    return "dataset `esm`, row 0"


def embeddings_of_one_residue(arrays: Arrays) -> str:
    _without(arrays, "esm")
    arrays["residue_embeddings"][:] = np.repeat(arrays["residue_embeddings"][::ROWS], ROWS, axis=0)
    return "embeddings_repeated"


def no_embedding(arrays: Arrays) -> str:
    _without(arrays, "esm")
    arrays["residue_embeddings"][1] = 0
    return "embeddings_zero"


def protein_in_two_splits(arrays: Arrays) -> str:
    arrays["split"][0] = 1
    return "dataset `split`, row"


def chain_under_two_keys(arrays: Arrays) -> str:
    _without(arrays, "esm")
    arrays["residue_embeddings"][ROWS : 2 * ROWS] = arrays["residue_embeddings"][:ROWS]
    points = len(arrays["labels"]) // (len(arrays["residue_embeddings"]) // ROWS)
    for name in ("residue_numbers", "neighbor_residue_indices", "neighbor_resnums"):
        arrays[name][points : 2 * points] = arrays[name][:points] + (ROWS if "indices" in name else 0)
    return "chain_in_two_splits"


def distances_in_nanometres(arrays: Arrays) -> str:
    arrays["neighbor_distances"] = arrays["neighbor_distances"] / 10
    return "distances_odd"


def column_twice(arrays: Arrays) -> str:
    arrays["feature_names"][1] = arrays["feature_names"][0]
    return "dataset `feature_names`, row 1"


BREAKS: tuple[Callable[[Arrays], str], ...] = (
    neighbour_of_another_protein,
    neighbour_of_another_protein_with_the_same_number,
    neighbour_beyond_the_table,
    neighbour_of_another_number,
    neighbour_twice,
    no_neighbour,
    centre_that_is_no_residue,
    centre_of_two_residues,
    protein_without_residues,
    embedding_of_another_residue,
    embeddings_of_one_residue,
    no_embedding,
    protein_in_two_splits,
    chain_under_two_keys,
    distances_in_nanometres,
    column_twice,
)

LAYOUTS = st.sampled_from((*REQUIRED, *OPTIONAL))


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(path: Path) -> str:
    """What is refused or warned of, with the rule names."""
    try:
        return "\n".join(f"{finding.code}: {finding.sentence}" for finding in soundness(read_sites(path)))
    except DataError as error:
        return str(error)


@examples(20)
@given(arrays=contents(), data=st.data())
def test_a_whole_file_is_read_without_a_word(tmp_path: Path, arrays: Arrays, data: st.DataObject) -> None:
    write(tmp_path / "good.h5", arrays, data.draw)
    assert said(tmp_path / "good.h5") == ""


@pytest.mark.parametrize("change", BREAKS)
@examples(5)
@given(arrays=contents(), data=st.data())
def test_one_broken_reference_is_named(
    tmp_path: Path, change: Callable[[Arrays], str], arrays: Arrays, data: st.DataObject
) -> None:
    wanted = change(arrays)
    write(tmp_path / "broken.h5", arrays, data.draw)
    assert wanted in said(tmp_path / "broken.h5")


@examples(20)
@given(arrays=contents(), layout=LAYOUTS, data=st.data())
def test_a_dataset_of_another_length_is_named(
    tmp_path: Path, arrays: Arrays, layout: Layout, data: st.DataObject
) -> None:
    arrays[layout.name] = arrays[layout.name][:-1]
    write(tmp_path / "broken.h5", arrays, data.draw)
    assert f"`{layout.name}`" in said(tmp_path / "broken.h5")


@examples(10)
@given(arrays=contents(), attribute=st.sampled_from(sorted(SIZES)), data=st.data())
def test_a_size_that_is_stated_wrongly_is_named(
    tmp_path: Path, arrays: Arrays, attribute: str, data: st.DataObject
) -> None:
    write(tmp_path / "broken.h5", arrays, data.draw)
    with h5py.File(tmp_path / "broken.h5", "r+") as file:
        file.attrs[attribute] = data.draw(st.sampled_from(["many", "99", 99, 1.5]))
    assert f"`{attribute}`" in said(tmp_path / "broken.h5")


@examples(30)
@given(arrays=contents(), layout=LAYOUTS, data=st.data())
def test_a_dataset_that_lies_elsewhere_or_was_not_written_is_named(
    tmp_path: Path, arrays: Arrays, layout: Layout, data: st.DataObject
) -> None:
    path = tmp_path / "broken.h5"
    write(path, arrays, data.draw)
    with h5py.File(path, "r+") as file:
        shape, dtype = file[layout.name].shape, file[layout.name].dtype
        del file[layout.name]
        match data.draw(st.sampled_from(["soft link", "external link", "not written"])):
            case "soft link":
                file[layout.name] = h5py.SoftLink("/labels")
            case "external link":
                file[layout.name] = h5py.ExternalLink("other.h5", layout.name)
            case _:
                file.create_dataset(layout.name, shape, dtype)
    assert f"`{layout.name}`" in said(path)
