"""Arrays out of an HDF5 file, chunk by chunk; every fault is a `DataError` that names dataset and row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from kag.data.header import Header, read_header
from kag.data.layout import Layout
from kag.data.room import require_chunk
from kag.data.storage import damaged, guarded, require_regular
from kag.data.text_lengths import stored_lengths
from kag.errors import DataError
from kag.text import printable

SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK_BYTES = 32 * 2**20
CHUNK_CACHE = 4 * 2**20
"""Bytes that HDF5 keeps of a dataset, so that blocks smaller than a chunk do not decompress it again. A larger chunk
that is not compressed is copied straight to where it goes, several times as fast."""

LONGEST_TEXT = 1024
TEXT_BYTES = 2**30
"""Most that a block of texts can take where each is as long as the file; no fewer than `TEXT_ROWS` rows, though."""
TEXT_ROWS = 256
BESIDE = 16
"""Times that a text of known length is counted: blocks that are larger still are read no faster."""
TEXT_BLOCKS = 64
"""Times that a chunk larger than the cache may be decompressed again."""

Numbers = NDArray[np.float32] | NDArray[np.int32]
INT32 = np.iinfo(np.int32)
ALL = slice(None)


@contextmanager
def open_layout(path: Path, *, allow_virtual: bool = False, copies: int = 1, held: bool = True) -> Iterator[LayoutFile]:
    """Open a file and check that all datasets of the layout are there, with fitting types and shapes, and can be read.

    Args:
        allow_virtual: take virtual datasets, whose numbers lie in other files.
        copies: processes of this host that each hold the arrays.
        held: whether the large arrays are to be held in memory; otherwise the disk stands behind them.

    Raises:
        DataError: there is no such file, it is not HDF5, it is damaged, datasets are missing or misshaped, lie
            elsewhere, were never written, or do not fit into memory.
    """
    require_regular(path)
    try:
        file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE)
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        yield LayoutFile(read_header(file, path, allow_virtual=allow_virtual, copies=copies, held=held))


def _unreadable(path: Path, error: OSError) -> DataError:
    try:
        with path.open("rb") as stream:
            is_hdf5 = stream.read(len(SIGNATURE)) == SIGNATURE
    except OSError as denied:
        return DataError(f"the file cannot be read: {denied.strerror}", where=str(path))
    if not is_hdf5:
        return DataError("this is not an HDF5 file", where=str(path), remedy="`kag data synth OUT` makes one to try")
    return damaged("the HDF5 file is truncated or damaged, or being written", str(path), error)


class LayoutFile:
    """An open file whose datasets, types and shapes fit the layout.

    Attributes:
        sizes: what each shape letter is in this file.
    """

    def __init__(self, header: Header) -> None:
        self._datasets = header.datasets
        self._path = header.path
        self._copies = header.copies
        self.where = header.where
        self.sizes = header.sizes
        self.require = header.require
        self.stated = header.stated

    def has(self, layout: Layout) -> bool:
        """Whether an optional dataset is there."""
        return layout in self._datasets

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
        dataset = self._datasets[layout]
        chunk_rows = dataset.chunks[0] if dataset.chunks else 1
        row_bytes = max(1, dataset.dtype.itemsize * int(np.prod(dataset.shape[1:])))
        step = max(1, BLOCK_BYTES // (row_bytes * chunk_rows)) * chunk_rows
        for start in range(0, len(dataset), step):
            yield slice(start, min(start + step, len(dataset)))

    def rows(self, layout: Layout, rows: slice) -> NDArray[np.float32]:
        """A range of rows of a float dataset as float32; not checked for NaN."""
        dataset = self._datasets[layout]
        block = np.empty((len(self.range(layout, rows)), *dataset.shape[1:]), np.float32)
        self._read(layout, rows, block)
        return block

    def range(self, layout: Layout, rows: slice) -> range:
        """Row numbers of a slice."""
        return range(*rows.indices(self.sizes[layout.shape[0]]))

    def chunk_rows(self, layout: Layout) -> int:
        """Rows of a chunk, which HDF5 reads together; all rows if the dataset is not cut into chunks."""
        dataset = self._datasets[layout]
        return int(dataset.chunks[0]) if dataset.chunks else len(dataset)

    def chunk_bytes(self, layout: Layout) -> int:
        """Bytes that HDF5 decompresses for one row; those of the row if the dataset is not cut into chunks."""
        dataset = self._datasets[layout]
        rows = self.chunk_rows(layout) if dataset.chunks else 1
        return rows * int(np.prod(dataset.shape[1:])) * self.item_bytes(layout)

    def require_chunk(self, layout: Layout) -> None:
        """Refuse a dataset of which not even a chunk fits into memory, before one is read.

        Raises:
            DataError: see `kag.data.room`.
        """
        require_chunk(self._datasets[layout], self._path, self._copies)

    def item_bytes(self, layout: Layout) -> int:
        """Bytes of one number of a dataset."""
        return int(self._datasets[layout].dtype.itemsize)

    def text(self, layout: Layout) -> NDArray[np.bytes_]:
        """A dataset of strings (bytes or str, of fixed or variable length) as fixed-length bytes.

        Raises:
            DataError: a text of variable length is longer than `LONGEST_TEXT`.
        """
        if h5py.check_string_dtype(self._datasets[layout].dtype).length is not None:
            return np.concatenate([np.asarray(self._block(layout, rows), np.bytes_) for rows in self.blocks(layout)])
        # The header tells no length, and many rows may share one long text: the file is small, its rows are not.
        length_N = stored_lengths(self._datasets[layout])
        if length_N is not None:
            self._refuse_long(length_N, layout)
            step = TEXT_BYTES // (BESIDE * LONGEST_TEXT)
        else:
            step = max(TEXT_BYTES // self._path.stat().st_size, TEXT_ROWS, self.chunk_rows(layout) // TEXT_BLOCKS)
        starts = range(0, self.sizes[layout.shape[0]], step)
        return np.concatenate([self._variable_text(layout, slice(start, start + step)) for start in starts])

    def _variable_text(self, layout: Layout, rows: slice) -> NDArray[np.bytes_]:
        block = self._block(layout, rows)
        self._refuse_long(np.fromiter(map(len, block), np.int64, len(block)), layout, rows)
        return block.astype(np.bytes_)

    def _refuse_long(self, length_N: NDArray[np.int64], layout: Layout, rows: slice = ALL) -> None:
        what = f"the text has {length_N.max():,} bytes, more than {LONGEST_TEXT:,}"
        self.refuse_rows(length_N > LONGEST_TEXT, layout, what, rows=rows)

    def decode(self, layout: Layout, names: NDArray[np.bytes_]) -> tuple[str, ...]:
        """Strings of bytes.

        Raises:
            DataError: one is not UTF-8, or would move the cursor of a terminal.
        """
        try:
            texts = tuple(name.decode("utf-8") for name in names.tolist())
        except UnicodeDecodeError as error:
            raise DataError(f"{error.object!r} is not UTF-8 text", where=self.where(layout)) from error
        for text in texts:
            if text != printable(text):
                raise DataError(f"`{printable(text)}` holds a control character", where=self.where(layout))
        return texts

    def refuse_rows(
        self, bad: NDArray[np.bool_], layout: Layout, what: str, *, rows: slice = ALL, remedy: str | None = None
    ) -> None:
        """Refuse the file if a row is bad, naming the first one and how many there are.

        Args:
            bad: shape (N,) or (N, anything).
            what: one sentence about a bad row.
            rows: rows of the dataset that `bad` is about.
            remedy: what to do about it.

        Raises:
            DataError: a row is bad.
        """
        if not bad.any():
            return
        bad_N = bad.reshape(len(bad), -1).any(axis=1)
        count = int(bad_N.sum())
        more = f" ({count} rows, this is the first)" if count > 1 else ""
        row = self.range(layout, rows)[int(bad_N.argmax())]
        raise DataError(what + more, where=self.where(layout, row), remedy=remedy)

    def _read(self, layout: Layout, rows: slice, out: Numbers) -> None:
        if layout.kind == "float":
            self._block(layout, rows, out)
        else:
            block = self._block(layout, rows)
            limits = INT32 if block.dtype == bool else np.iinfo(block.dtype)
            out[:] = np.clip(block, max(INT32.min, limits.min), min(INT32.max, limits.max))

    def _block(self, layout: Layout, rows: slice, out: Numbers | None = None) -> NDArray[Any]:
        """Some rows as the file has them, or, if `out` is given, converted into it by HDF5 without another copy."""
        dataset = self._datasets[layout]
        what = f"rows {rows.start} to {rows.stop - 1} cannot be read, the file is damaged"
        with guarded(what, self.where(layout, rows.start)):
            if out is None:
                return np.asarray(dataset[rows])
            dataset.read_direct(out, np.s_[rows])
        return out
