"""Arrays out of an HDF5 file, chunk by chunk; every fault is a `DataError` that names dataset and row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kag.data.layout import EMBEDDING, FORMAT, OPTIONAL, REQUIRED, SIZES, STATEMENTS, Kind, Layout
from kag.errors import DataError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK_BYTES = 32 * 2**20
Numbers = NDArray[np.float32] | NDArray[np.int32]
INT32 = np.iinfo(np.int32)
KINDS: dict[Kind, str] = {"float": "f", "integer": "iub", "text": "SO"}
ALL = slice(None)
LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises, depending on which byte of a file is wrong; only calls of h5py are guarded by it."""


@contextmanager
def open_layout(path: Path) -> Iterator[LayoutFile]:
    """Open a file and check that all datasets of the layout are there, with fitting types and shapes.

    Raises:
        DataError: there is no such file, it is not HDF5, it is damaged, or datasets are missing or misshaped.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        yield LayoutFile(file, path)


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        remedy = "correct the path, or make a file with `kag data synth OUT`"
        return DataError("there is no such file", where=str(path), remedy=remedy)
    if path.is_dir():
        return DataError("this is a folder, not an HDF5 file", where=str(path))
    try:
        with path.open("rb") as stream:
            is_hdf5 = stream.read(len(SIGNATURE)) == SIGNATURE
    except OSError as denied:
        return DataError(f"the file cannot be read: {denied.strerror}", where=str(path))
    if not is_hdf5:
        return DataError("this is not an HDF5 file", where=str(path), remedy="`kag data synth OUT` makes one to try")
    return _damaged("the HDF5 file is truncated or damaged, or being written", str(path), error)


def _damaged(what: str, where: str, error: Exception) -> DataError:
    cause = error.args[-1] if error.args else type(error).__name__
    return DataError(f"{what}: {cause}", where=where, remedy="copy or write the file again")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class LayoutFile:
    """An open file whose datasets, types and shapes fit the layout.

    Attributes:
        sizes: what each shape letter is in this file.
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._path = path
        self.sizes: dict[str, int] = {}
        try:
            self._names = list(file)
            self._objects = {item.name: file[item.name] for item in REQUIRED + OPTIONAL if item.name in file}
            self._attributes = {
                name: file.attrs[name] for name in (*STATEMENTS, *SIZES, *EMBEDDING) if name in file.attrs
            }
        except LIBRARY_ERRORS as error:
            raise _damaged("the HDF5 file is damaged", str(path), error) from error
        self._check_statements()
        self._check_shapes()
        self._check_sizes()

    def where(self, layout: Layout, row: int | None = None) -> str:
        """Place of a fault: file, dataset, row."""
        return f"{self._path}, dataset `{layout.name}`" + ("" if row is None else f", row {row}")

    def has(self, layout: Layout) -> bool:
        """Whether an optional dataset is there."""
        return layout.name in self._objects

    def require(self, layout: Layout, *, remedy: str | None = None) -> None:
        """Refuse a file that lacks a dataset.

        Raises:
            DataError: it does; the nearest name is named.
        """
        if not self.has(layout):
            close = get_close_matches(layout.name, self._names, n=1, cutoff=0.5)
            raise DataError(
                f"the dataset is missing; the layout is `{FORMAT}`",
                where=self.where(layout),
                nearest=close[0] if close else None,
                remedy=remedy,
            )

    def stated(self, attributes: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """What the file says of itself: those of the attributes that are there, with their text."""
        return tuple((name, _text(self._attributes[name])) for name in attributes if name in self._attributes)

    def whole(self, layout: Layout) -> NDArray[Any]:
        """A dataset of numbers, as `fill` copies it."""
        kind = np.float32 if layout.kind == "float" else np.int32
        array: NDArray[Any] = np.empty([self.sizes[letter] for letter in layout.shape], kind)
        self.fill(layout, array)
        return array

    def fill(self, layout: Layout, out: Numbers, *, finite: bool = False) -> None:
        """Copy a whole dataset into `out` (float32 or int32), block by block.

        Integers beyond int32 are saturated, so that range checks still see them.

        Raises:
            DataError: a block cannot be read, or (if `finite`) a value is NaN or infinite in float32.
        """
        for rows in self.blocks(layout):
            self._read(layout, rows, out[rows])
            if finite:
                self.refuse_rows(~np.isfinite(out[rows]), layout, "the value is NaN or infinite", rows=rows)

    def blocks(self, layout: Layout) -> Iterator[slice]:
        """Row ranges that hold whole chunks, so that each chunk is decompressed once."""
        dataset = self._objects[layout.name]
        chunk_rows = dataset.chunks[0] if dataset.chunks else 1
        row_bytes = max(1, dataset.dtype.itemsize * int(np.prod(dataset.shape[1:])))
        step = max(1, BLOCK_BYTES // (row_bytes * chunk_rows)) * chunk_rows
        for start in range(0, len(dataset), step):
            yield slice(start, min(start + step, len(dataset)))

    def rows(self, layout: Layout, rows: slice) -> NDArray[np.float32]:
        """A range of rows of a float dataset as float32; not checked for NaN."""
        dataset = self._objects[layout.name]
        block = np.empty((len(self.range(layout, rows)), *dataset.shape[1:]), np.float32)
        self._read(layout, rows, block)
        return block

    def range(self, layout: Layout, rows: slice) -> range:
        """Row numbers of a slice."""
        return range(*rows.indices(self.sizes[layout.shape[0]]))

    def chunk_rows(self, layout: Layout) -> int:
        """Rows of a chunk, which HDF5 reads together; all rows if the dataset is not cut into chunks."""
        dataset = self._objects[layout.name]
        return int(dataset.chunks[0]) if dataset.chunks else len(dataset)

    def item_bytes(self, layout: Layout) -> int:
        """Bytes of one number of a dataset."""
        return int(self._objects[layout.name].dtype.itemsize)

    def text(self, layout: Layout) -> NDArray[np.bytes_]:
        """A dataset of strings (bytes or str, of fixed or variable length) as fixed-length bytes."""
        return np.concatenate([np.asarray(self._block(layout, rows), np.bytes_) for rows in self.blocks(layout)])

    def decode(self, layout: Layout, names: NDArray[np.bytes_]) -> tuple[str, ...]:
        """Strings of bytes.

        Raises:
            DataError: one is not UTF-8.
        """
        try:
            return tuple(name.decode("utf-8") for name in names.tolist())
        except UnicodeDecodeError as error:
            raise DataError(f"{error.object!r} is not UTF-8 text", where=self.where(layout)) from error

    def refuse_rows(self, bad: NDArray[np.bool_], layout: Layout, what: str, *, rows: slice = ALL) -> None:
        """Refuse the file if a row is bad, naming the first one and how many there are.

        Args:
            bad: shape (N,) or (N, anything).
            what: one sentence about a bad row.
            rows: rows of the dataset that `bad` is about.

        Raises:
            DataError: a row is bad.
        """
        if not bad.any():
            return
        bad_N = bad.reshape(len(bad), -1).any(axis=1)
        count = int(bad_N.sum())
        more = f" ({count} rows, this is the first)" if count > 1 else ""
        row = self.range(layout, rows)[int(bad_N.argmax())]
        raise DataError(what + more, where=self.where(layout, row))

    def _read(self, layout: Layout, rows: slice, out: Numbers) -> None:
        if layout.kind == "float":
            self._block(layout, rows, out)
        else:
            block = self._block(layout, rows)
            limits = INT32 if block.dtype == bool else np.iinfo(block.dtype)
            out[:] = np.clip(block, max(INT32.min, limits.min), min(INT32.max, limits.max))

    def _block(self, layout: Layout, rows: slice, out: Numbers | None = None) -> NDArray[Any]:
        """Some rows as the file has them, or, if `out` is given, converted into it by HDF5 without another copy."""
        dataset = self._objects[layout.name]
        try:
            if out is None:
                return np.asarray(dataset[rows])
            dataset.read_direct(out, np.s_[rows])
            return out
        except LIBRARY_ERRORS as error:
            what = f"rows {rows.start} to {rows.stop - 1} cannot be read, the file is damaged"
            raise _damaged(what, self.where(layout, rows.start), error) from error

    def _check_statements(self) -> None:
        for attribute, needed in STATEMENTS.items():
            found = _text(self._attributes.get(attribute, needed))
            if found != needed:
                raise DataError(f"the file attribute `{attribute}` is `{found}`", where=str(self._path), nearest=needed)

    def _check_shapes(self) -> None:
        said_by: dict[str, str] = {}
        for layout in REQUIRED + OPTIONAL:
            if layout in OPTIONAL and not self.has(layout):
                continue
            dataset = self._dataset(layout)
            for axis, (letter, size) in enumerate(zip(layout.shape, dataset.shape, strict=True)):
                if size == 0:
                    raise DataError(f"axis {axis} has length 0", where=self.where(layout))
                known = self.sizes.setdefault(letter, size)
                said_by.setdefault(letter, layout.name)
                if known != size:
                    raise DataError(
                        f"axis {axis} has length {size}, but in `{said_by[letter]}` it is {known}",
                        where=self.where(layout),
                    )

    def _dataset(self, layout: Layout) -> h5py.Dataset:
        self.require(layout)
        dataset = self._objects[layout.name]
        if not isinstance(dataset, h5py.Dataset):
            raise DataError("this is a group, not a dataset", where=self.where(layout))
        if dataset.ndim != len(layout.shape):
            raise DataError(
                f"the shape is {dataset.shape}, but {len(layout.shape)} axes are needed: ({', '.join(layout.shape)})",
                where=self.where(layout),
            )
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        if is_text != (layout.kind == "text") or dataset.dtype.kind not in KINDS[layout.kind]:
            raise DataError(f"the type is {dataset.dtype}, but {layout.kind} is needed", where=self.where(layout))
        return dataset

    def _check_sizes(self) -> None:
        for attribute, letter in SIZES.items():
            stated = self._attributes.get(attribute)
            if stated is not None and np.any(np.asarray(stated) != self.sizes[letter]):
                layout = next(layout for layout in REQUIRED if letter in layout.shape)
                raise DataError(
                    f"the file attribute `{attribute}` is {stated}, but the array has {self.sizes[letter]} columns",
                    where=self.where(layout),
                )
