"""Lengths of texts that the file tells are those of the texts; where it does not tell them, the texts are read."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.data.hdf5 import LONGEST_TEXT
from kag.data.read import read_sites
from kag.data.text_lengths import stored_lengths
from kag.errors import DataError

TOLD: dict[str, dict[str, Any]] = {
    "chunks": {},
    "gzip": {"compression": "gzip"},
    "shuffle and gzip": {"compression": "gzip", "shuffle": True},
    "shuffle": {"shuffle": True},
}
UNTOLD: dict[str, dict[str, Any]] = {
    "one piece": {"chunks": None},
    "lzf": {"compression": "lzf"},
}
Texts = st.lists(st.binary(max_size=40).filter(lambda text: b"\0" not in text), min_size=7, max_size=30)


def stored(file: h5py.File, texts: list[bytes], **options: Any) -> h5py.Dataset:
    dtype = h5py.string_dtype(encoding="ascii")
    return file.create_dataset("a", data=np.array(texts, object), dtype=dtype, **{"chunks": (7,), **options})


@pytest.mark.parametrize("options", TOLD.values(), ids=TOLD)
@settings(max_examples=25)
@given(texts=Texts)
def test_told_lengths_are_those_of_the_texts(options: dict[str, Any], texts: list[bytes]) -> None:
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        dataset = stored(file, texts, **options)
        file.flush()
        length_N = stored_lengths(dataset)
        assert length_N is not None
        assert length_N.tolist() == [*map(len, texts)] == [*map(len, dataset[:])]


@pytest.mark.parametrize("options", UNTOLD.values(), ids=UNTOLD)
def test_what_is_stored_otherwise_is_not_told(options: dict[str, Any]) -> None:
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        dataset = stored(file, [b"x"] * 20, **options)
        file.flush()
        assert stored_lengths(dataset) is None


@pytest.mark.parametrize("chunk", [b"no zlib", zlib.compress(b"short")], ids=["broken", "short"])
def test_a_damaged_chunk_tells_nothing(chunk: bytes) -> None:
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        dataset = stored(file, [b"x"] * 20, compression="gzip")
        file.flush()
        dataset.id.write_direct_chunk((7,), chunk)
        assert stored_lengths(dataset) is None


@pytest.mark.parametrize("options", [{"chunks": (16,)}, {"chunks": None}], ids=["told", "read"])
def test_a_file_is_read_alike_either_way_and_a_text_that_is_too_long_is_refused_by_its_row(
    synthetic_file: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    file, dtype = tmp_path / "sites.h5", h5py.string_dtype()
    file.write_bytes(synthetic_file.read_bytes())
    with h5py.File(file, "r+") as other:
        keys = other["protein_keys"][:]
        del other["protein_keys"]
        other.create_dataset("protein_keys", data=keys, dtype=dtype, **options)
    assert read_sites(file).proteins == read_sites(synthetic_file).proteins
    with h5py.File(file, "r+") as other:
        other["protein_keys"][33] = "x" * (LONGEST_TEXT + 1)
    with pytest.raises(DataError, match=r"1,025 bytes, more than 1,024") as refused:
        read_sites(file)
    assert "row 33" in str(refused.value)
