"""Builders of files whose header misleads: numbers that lie elsewhere, were never written, or fit into no memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
from malformed_files import Builder, edited, replace, write_small

SECRET = "s3cret-of-another-file"


def beside(path: Path, name: str) -> Path:
    """Another file in the folder of a file."""
    return path.parent / name


def never_written(name: str, rows: int | slice, chunk: tuple[int, ...]) -> Builder:
    """A good file in which some rows of a dataset lack a chunk."""

    def edit(file: h5py.File) -> None:
        array, dtype = file[name][:], file[name].dtype
        del file[name]
        dataset = file.create_dataset(name, array.shape, dtype, chunks=chunk)
        dataset[:rows] = array[:rows]

    return edited(edit)


def _half_of_the_columns(file: h5py.File) -> None:
    array = file["tabular"][:]
    del file["tabular"]
    dataset = file.create_dataset("tabular", array.shape, np.float32, chunks=(30, 2))
    dataset[:, :2] = array[:, :2]
    dataset[:30] = array[:30]


def _contiguous_and_empty(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (100,), np.int32)


def _linked(link: Callable[[Path], h5py.SoftLink | h5py.ExternalLink]) -> Builder:
    def build(path: Path) -> None:
        write_small(path)
        write_small(beside(path, "other.h5"))
        with h5py.File(path, "r+") as file:
            del file["labels"]
            file["labels"] = link(path)

    return build


def _group_elsewhere(path: Path) -> None:
    """A soft link that leads through a link to another file."""
    write_small(path)
    write_small(beside(path, "other.h5"))
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/")
        file["labels"] = h5py.SoftLink("/elsewhere/labels")


def _external_storage(path: Path) -> None:
    """Column names that are the text of another file."""
    write_small(path)
    secret = beside(path, "secret.txt")
    secret.write_text(SECRET * 3)
    with h5py.File(path, "r+") as file:
        del file["feature_names"]
        external = [(str(secret), 0, 3 * len(SECRET))]
        file.create_dataset("feature_names", (3,), f"S{len(SECRET)}", external=external)


def virtual(name: str, source: str | None = None, *, rows: int | None = None) -> Builder:
    """A good file in which a dataset is a view on a source file, by default `<name>.h5` which holds its array.

    Args:
        rows: how many rows the source really has.
    """

    def build(path: Path) -> None:
        write_small(path)
        with h5py.File(path, "r+") as file:
            array = file[name][:]
            del file[name]
            layout = h5py.VirtualLayout(array.shape, array.dtype)
            layout[:] = h5py.VirtualSource(source or f"{name}.h5", name, array.shape, array.dtype)
            file.create_virtual_dataset(name, layout)
        with h5py.File(beside(path, f"{name}.h5"), "w") as file:
            file[name] = array[:rows]

    return build


def _view_with_a_gap(path: Path) -> None:
    virtual("labels")(path)
    with h5py.File(path, "r+") as file:
        del file["labels"]
        layout = h5py.VirtualLayout((100,), np.int32)
        layout[:90] = h5py.VirtualSource("labels.h5", "labels", (100,), np.int32)[:90]
        file.create_virtual_dataset("labels", layout)


def _view_on_a_view(path: Path) -> None:
    virtual("split")(path)
    path.rename(beside(path, "view.h5"))
    virtual("split", "view.h5")(path)


def _source_never_written(path: Path) -> None:
    virtual("labels")(path)
    with h5py.File(beside(path, "labels.h5"), "w") as file:
        file.create_dataset("labels", (100,), np.int32, chunks=(25,))[:50] = 1


def filtered(name: str, number: int) -> Builder:
    """A good file in which a dataset is said to be compressed by a filter."""

    def edit(file: h5py.File) -> None:
        array = file[name][:]
        del file[name]
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_chunk(array.shape)
        creation.set_filter(number, h5z.FLAG_OPTIONAL, ())
        space, kind = h5s.create_simple(array.shape), h5t.py_create(array.dtype)
        h5py.Dataset(h5d.create(file.id, name.encode(), kind, space, creation))[:] = array

    return edited(edit)


def _larger_than_memory(file: h5py.File) -> None:
    """Some KB that declare half a terabyte of embeddings."""
    for name, columns in (("residue_embeddings", (4,)), ("residue_protein_keys", ()), ("residue_numbers_table", ())):
        dtype = file[name].dtype
        del file[name]
        file.create_dataset(name, (2**35, *columns), dtype, chunks=(2**20, *columns))


def _long_text(path: Path) -> None:
    write_small(path)
    with h5py.File(path, "r+") as file:
        keys = file["protein_keys"][:]
        keys[40:43] = b"x" * 2_000
        replace(file, "protein_keys", keys, dtype=h5py.string_dtype())


FROM_OTHERS: dict[str, Builder] = {
    "last chunks of labels": never_written("labels", 60, (20,)),
    "first chunks of the table": never_written("residue_embeddings", 0, (16, 4)),
    "some columns of a chunk": edited(_half_of_the_columns),
    "keys of variable length": never_written("protein_keys", 80, (16,)),
    "contiguous, never allocated": edited(_contiguous_and_empty),
    "link to a file that is gone": _linked(lambda path: h5py.ExternalLink("gone.h5", "/where/labels")),
    "link to a file that is there": _linked(lambda path: h5py.ExternalLink(str(beside(path, "other.h5")), "labels")),
    "link to another name": _linked(lambda path: h5py.SoftLink("/nowhere")),
    "link through another file": _group_elsewhere,
    "external raw storage": _external_storage,
    "virtual dataset": virtual("labels"),
    "virtual dataset of itself": virtual("labels", "."),
    "filter of a plugin": filtered("tabular", 32015),
    "filter that nobody knows": filtered("neighbor_distances", 40_000),
    "larger than any memory": edited(_larger_than_memory),
    "texts that are too long": _long_text,
}

MESSAGES_FROM_OTHERS: dict[str, tuple[str, ...]] = {
    "last chunks of labels": ("`labels`", "40 of 100 rows were never written", "row 60"),
    "first chunks of the table": ("`residue_embeddings`", "80 of 80 rows were never written", "row 0"),
    "some columns of a chunk": ("`tabular`", "70 of 100 rows were never written", "row 30"),
    "keys of variable length": ("`protein_keys`", "20 of 100 rows were never written", "row 80"),
    "contiguous, never allocated": ("`labels`", "100 of 100 rows were never written"),
    "link to a file that is gone": ("`labels`", "`/where/labels`", "`gone.h5`"),
    "link to a file that is there": ("`labels`", "other.h5`"),
    "link to another name": ("`labels`", "`/nowhere`", "hard link"),
    "link through another file": ("`labels`", "`/elsewhere/labels`"),
    "external raw storage": ("`feature_names`", "secret.txt", "external raw storage"),
    "virtual dataset": ("`labels`", "virtual", "--allow-virtual"),
    "virtual dataset of itself": ("`labels`", "virtual"),
    "filter of a plugin": ("`tabular`", "zstd (32015)", "pip install hdf5plugin"),
    "filter that nobody knows": ("`neighbor_distances`", "(40000)", "HDF5_PLUGIN_PATH"),
    "larger than any memory": ("`residue_protein_keys`", "(34359738368,)", "4.0 TiB", " free"),
    "texts that are too long": ("`protein_keys`, row 40:", "2,000 bytes", "3 rows"),
}

VIRTUAL: dict[str, tuple[Builder, tuple[str, ...]]] = {
    "source that is gone": (virtual("labels", "gone.h5"), ("source `labels`", "gone.h5", "is gone")),
    "source in no such place": (virtual("labels", "split.h5"), ("source `labels`", "is gone")),
    "view on itself": (virtual("labels", "."), ("`labels`", "plain dataset")),
    "view on a view": (_view_on_a_view, ("`split`", "view.h5", "plain dataset")),
    "view with a gap": (_view_with_a_gap, ("`labels`", "10 of its 100 values have no source")),
    "source that is too small": (virtual("labels", rows=70), ("(70,)", "(100,)")),
    "source never written": (_source_never_written, ("50 of 100 rows were never written", "row 50")),
}
"""Faults of virtual datasets that show where they are allowed, and what is said of each."""
