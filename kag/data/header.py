"""What the header of a data file says, checked against the layout before any row is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import h5py
import numpy as np

from kag.data.layout import EMBEDDING, FORMAT, OPTIONAL, REQUIRED, SIZES, STATEMENTS, Kind, Layout
from kag.data.room import require_room
from kag.data.storage import (
    guarded,
    linked_here,
    require_filters,
    require_inside,
    require_written,
)
from kag.data.virtual import require_sources
from kag.errors import DataError
from kag.text import printable

KINDS: dict[Kind, str] = {"float": "f", "integer": "iub", "text": "SO"}


@dataclass(frozen=True, eq=False)
class Header:
    """Datasets whose types and shapes fit the layout, and whose numbers can be read."""

    path: Path
    datasets: dict[Layout, h5py.Dataset]
    sizes: dict[str, int]
    """What each shape letter is in this file."""
    present: list[str]
    """Names of everything in the file."""
    attributes: dict[str, object]
    """Those of the file that kag knows."""
    copies: int
    """Processes of this host that each read the file."""

    def where(self, layout: Layout, row: int | None = None) -> str:
        """Place of a fault: file, dataset, row."""
        return _where(self.path, layout) + ("" if row is None else f", row {row}")

    def require(self, layout: Layout, *, remedy: str | None = None) -> None:
        """Refuse a file that lacks an optional dataset.

        Raises:
            DataError: it does; the nearest name is named.
        """
        if layout not in self.datasets:
            raise _missing(self.path, layout, self.present, remedy)

    def stated(self, attributes: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """What the file says of itself: those of the attributes that are there, with their text."""
        return tuple((name, _text(self.attributes[name])) for name in attributes if name in self.attributes)


def read_header(file: h5py.File, path: Path, *, allow_virtual: bool, copies: int, held: bool) -> Header:
    """Look at everything that can be known without reading a row.

    Args:
        allow_virtual: take virtual datasets, whose numbers lie in other files.
        copies: processes of this host that each hold the arrays.
        held: whether the large arrays are to be held in memory.

    Raises:
        DataError: datasets are missing or misshaped, lie elsewhere, were never written, or do not fit into memory.
    """
    with guarded("the HDF5 file is damaged", str(path)):
        present = list(file)
        attributes = {name: file.attrs[name] for name in (*STATEMENTS, *SIZES, *EMBEDDING) if name in file.attrs}
    _check_statements(attributes, path)
    datasets = dict(_datasets(file, present, path, allow_virtual))
    sizes = _sizes(datasets, path)
    _check_sizes(attributes, sizes, path)
    for layout, dataset in datasets.items():
        require_filters(dataset, _where(path, layout))
    require_room(datasets, path, copies, held=held)
    for layout, dataset in datasets.items():
        require_written(dataset, _where(path, layout))
    return Header(path, datasets, sizes, present, attributes, copies)


def _missing(path: Path, layout: Layout, present: list[str], remedy: str | None = None) -> DataError:
    close = get_close_matches(layout.name, present, n=1, cutoff=0.5)
    return DataError(
        f"the dataset is missing; the layout is `{FORMAT}`",
        where=_where(path, layout),
        nearest=printable(close[0]) if close else None,
        remedy=remedy,
    )


def _text(value: object) -> str:
    return printable(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _where(path: Path, layout: Layout) -> str:
    return f"{path}, dataset `{layout.name}`"


def _check_statements(attributes: dict[str, object], path: Path) -> None:
    for attribute, needed in STATEMENTS.items():
        found = _text(attributes.get(attribute, needed))
        if found != needed:
            raise DataError(f"the file attribute `{attribute}` is `{found}`", where=str(path), nearest=needed)


def _datasets(
    file: h5py.File, present: list[str], path: Path, allow_virtual: bool
) -> Iterator[tuple[Layout, h5py.Dataset]]:
    for layout in REQUIRED + OPTIONAL:
        if layout.name in present:
            dataset = _opened(file, layout, path, allow_virtual)
            _check_type(dataset, layout, _where(path, layout))
            yield layout, dataset
        elif layout in REQUIRED:
            raise _missing(path, layout, present)


def _opened(file: h5py.File, layout: Layout, path: Path, allow_virtual: bool) -> h5py.Dataset:
    where = _where(path, layout)
    dataset = linked_here(file, layout.name, where)
    if not isinstance(dataset, h5py.Dataset):
        raise DataError("this is a group, not a dataset", where=where)
    if require_inside(dataset, where):
        if not allow_virtual:
            raise DataError(
                "this is a virtual dataset: its numbers lie in other datasets or files",
                where=where,
                remedy=(
                    f"write the array itself, as h5py's plain[{layout.name!r}] = virtual[{layout.name!r}][:]; "
                    "`kag data check --allow-virtual` looks at the sources"
                ),
            )
        require_sources(dataset, path, where)
    return dataset


def _check_type(dataset: h5py.Dataset, layout: Layout, where: str) -> None:
    with guarded("the HDF5 file is damaged", where):
        shape, dtype = dataset.shape, dataset.dtype
    if shape is None or len(shape) != len(layout.shape):
        raise DataError(
            f"the shape is {shape}, but {len(layout.shape)} axes are needed: ({', '.join(layout.shape)})", where=where
        )
    is_text = h5py.check_string_dtype(dtype) is not None
    if is_text != (layout.kind == "text") or dtype.kind not in KINDS[layout.kind]:
        raise DataError(f"the type is {printable(str(dtype))}, but {layout.kind} is needed", where=where)


def _sizes(datasets: dict[Layout, h5py.Dataset], path: Path) -> dict[str, int]:
    sizes: dict[str, int] = {}
    said_by: dict[str, str] = {}
    for layout, dataset in datasets.items():
        for axis, (letter, size) in enumerate(zip(layout.shape, dataset.shape, strict=True)):
            if size == 0:
                raise DataError(f"axis {axis} has length 0", where=_where(path, layout))
            known = sizes.setdefault(letter, size)
            said_by.setdefault(letter, layout.name)
            if known != size:
                raise DataError(
                    f"axis {axis} has length {size}, but in `{said_by[letter]}` it is {known}",
                    where=_where(path, layout),
                )
    return sizes


def _check_sizes(attributes: dict[str, object], sizes: dict[str, int], path: Path) -> None:
    for attribute, letter in SIZES.items():
        if attribute not in attributes:
            continue
        value = attributes[attribute]
        stated = _number(value)
        if stated is None:
            what = f"the file attribute `{attribute}` is {ascii(value)[:60]} of type {type(value).__name__}"
            raise DataError(f"{what}, a whole number is needed", where=str(path))
        if stated != sizes[letter]:
            layout = next(layout for layout in REQUIRED if letter in layout.shape)
            raise DataError(
                f"the file attribute `{attribute}` is {stated:g}, but the array has {sizes[letter]} columns",
                where=_where(path, layout),
            )


def _number(value: object) -> float | None:
    """A number, which may be written as text or as an array of one; None for anything else."""
    try:
        return float(value.decode() if isinstance(value, bytes) else np.asarray(value).item())
    except (ValueError, TypeError):
        return None
