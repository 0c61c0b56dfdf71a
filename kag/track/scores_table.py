"""Files of scores by their ending: `.npz`, `.csv`, and `.parquet` where pyarrow is there."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from kag.errors import RecordError
from kag.stats.metrics import Array
from kag.track.npz import UNPACKED, arrays_of
from kag.track.scores_columns import COLUMNS, EXAMPLES

TEXT = 2**27
"""Characters of a column, were all its cells as long as the longest."""

Columns = dict[str, Array]


class Reader(Protocol):
    """Columns of a file."""

    def __call__(self, content: bytes, *, where: str) -> Columns:
        """Every column by name.

        Raises:
            RecordError: it cannot be read.
        """


def _csv_columns(content: bytes, *, where: str) -> Columns:
    return {name: _texts(cells, name, where) for name, cells in csv_cells(content, COLUMNS, where=where).items()}


def csv_cells(content: bytes, wanted: Collection[str], *, where: str) -> dict[str, list[str]]:
    """The cells of every column of a csv file by name, without blanks around them; of one that nobody wants none.

    The first line has the names.

    Raises:
        RecordError: it is no csv file, or a line has not as many cells as there are names.
    """
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        names = [name.strip() for name in next(rows, [])]
        found: dict[str, list[str]] = {name: [] for name in names}
        for row in rows:
            if row and len(row) != len(names):
                raise RecordError(f"line {rows.line_num} has {len(row)} cells, not {len(names)}", where=where)
            for name, cell in zip(names, row, strict=False):  # an empty line has none
                if name in wanted:
                    found[name].append(cell.strip())
    except (csv.Error, ValueError) as error:
        raise RecordError(f"is no csv file that can be read: {error}", where=where) from None
    return found


def _parquet_columns(content: bytes, *, where: str) -> Columns:
    try:
        from pyarrow import ArrowException, BufferReader
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise RecordError(
            "takes pyarrow to read, which is not installed",
            where=where,
            remedy="pip install pyarrow, or write npz or csv",
        ) from None
    try:
        file: Any = ParquetFile(BufferReader(content))
        size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        if file.metadata.num_rows > EXAMPLES or size > UNPACKED:
            raise RecordError(f"holds more than {EXAMPLES} rows, or more than {UNPACKED // 2**20} MiB", where=where)
        names = file.schema_arrow.names
        table = file.read(columns=[name for name in names if name in COLUMNS])
        found = {name: table[name].to_numpy() if name in COLUMNS else np.zeros(0) for name in names}
    except (ArrowException, OSError, ValueError) as error:
        raise RecordError(f"is no parquet file that can be read: {error}", where=where) from None
    # Text comes as Python objects.
    return {
        name: _texts([str(cell) for cell in column], name, where) if column.dtype.kind == "O" else column
        for name, column in found.items()
    }


def _texts(cells: Sequence[str], name: str, where: str) -> Array:
    """Text as an array, in which every cell takes the room of the longest."""
    if len(cells) * max(map(len, cells), default=0) > TEXT:
        raise RecordError(f"its column {name} is too long: its longest cell times its rows pass {TEXT}", where=where)
    return np.array(cells, dtype=str)


READERS: MappingProxyType[str, Reader] = MappingProxyType(
    {"npz": arrays_of, "csv": _csv_columns, "parquet": _parquet_columns}
)
"""Ending -> what reads such a file."""
