"""Whether a file fits into memory, asked of its header before any value is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import h5py

from kag import text
from kag.data.host_memory import free_memory
from kag.data.layout import ESM, RESIDUE_EMBEDDINGS, TABULAR, Layout
from kag.errors import DataError

NUMBER_BYTES = 4
"""Arrays are held as float32 and int32."""

VARIABLE_TEXT_BYTES = 128
"""For a text of variable length, whose length the header does not tell: the object, and the array that it goes to."""

ROW_BYTES = 64
"""Keys, order and context of a point or residue."""

DECODING = 2
"""A chunk is there twice while it is decompressed."""


def require_room(datasets: Mapping[Layout, h5py.Dataset], path: Path, copies: int = 1, *, held: bool = True) -> None:
    """Refuse a file whose arrays do not fit into the memory that is free.

    `esm` counts for nothing here: whether it is read only the other arrays tell, see `require_chunk`.

    Args:
        datasets: those of the file.
        copies: processes of this host that each hold the arrays.
        held: whether `tabular` and the residue table are to be held; otherwise the disk stands behind them.

    Raises:
        DataError: names the dataset that needs most, what is needed and what there is.
    """
    beside = () if held else (TABULAR, RESIDUE_EMBEDDINGS)
    counted = {layout: dataset for layout, dataset in datasets.items() if layout is not ESM}
    taken = {layout: 0 if layout in beside else _held(layout, dataset) for layout, dataset in counted.items()}
    chunk = {layout: _chunk(dataset) for layout, dataset in counted.items()}
    needed = copies * (sum(taken.values()) + max(chunk.values()))
    free, machine = free_memory()
    if needed <= free:
        return
    most = max(counted, key=lambda layout: taken[layout] + chunk[layout])
    processes = f" in {copies} processes" if copies > 1 else ""
    chunks = f" and {text.size(chunk[most])} for a chunk, which is read whole" if chunk[most] > taken[most] else ""
    raise DataError(
        f"reading the file{processes} needs about {text.size(needed)} of memory, {machine} has {text.size(free)} free; "
        f"this dataset of shape {datasets[most].shape} takes most, {text.size(taken[most])}{chunks}",
        where=f"{path}, dataset `{most.name}`",
        remedy="a machine with more memory, or a file of fewer proteins, fewer columns or smaller chunks",
    )


def require_chunk(dataset: h5py.Dataset, path: Path, copies: int = 1) -> None:
    """Refuse to read a dataset that is looked at block by block where not even a chunk of it fits into memory.

    Args:
        copies: processes of this host that each read it.

    Raises:
        DataError: names the dataset, what is needed and what there is.
    """
    needed = copies * _chunk(dataset)
    free, machine = free_memory()
    if needed > free:
        processes = f" in {copies} processes" if copies > 1 else ""
        raise DataError(
            f"reading this dataset{processes} needs {text.size(needed)} for a chunk, which is read whole; "
            f"{machine} has {text.size(free)} free",
            where=f"{path}, dataset `{dataset.name}`",
            remedy="a machine with more memory, or a dataset of smaller chunks",
        )


def _held(layout: Layout, dataset: h5py.Dataset) -> int:
    """Bytes of the array that a dataset becomes, and of what is counted beside it."""
    size = int(math.prod(dataset.shape))
    if layout.kind != "text":
        return size * NUMBER_BYTES + (size * ROW_BYTES if dataset.ndim == 1 else 0)
    length = h5py.check_string_dtype(dataset.dtype).length
    return size * int(length or VARIABLE_TEXT_BYTES)


def _chunk(dataset: h5py.Dataset) -> int:
    return DECODING * int(math.prod(dataset.chunks) * dataset.dtype.itemsize) if dataset.chunks else 0
