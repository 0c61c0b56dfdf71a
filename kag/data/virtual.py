"""Virtual datasets: views on datasets of other files, which HDF5 fills with zeros where a source is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kag.data.storage import (
    guarded,
    linked_here,
    require_filters,
    require_inside,
    require_regular,
    require_written,
)
from kag.errors import DataError
from kag.text import printable


def require_sources(dataset: h5py.Dataset, path: Path, where: str) -> None:
    """Refuse a view that shows anything but numbers that were written.

    Args:
        path: the file of the view; sources are named from its folder.

    Raises:
        DataError: a source is gone, smaller than the view takes it to be, not written, or itself not plain; or a part
            of the view has no source.
    """
    with guarded("the HDF5 file is damaged", where):
        sources = dataset.virtual_sources()
    for source in sources:
        file = path if source.file_name == "." else path.parent / source.file_name
        place = f"{where}, source `{printable(source.dset_name)}` in {file}"
        _require_source(file, source.dset_name.strip("/"), _taken(source, where), place)
    with guarded("the HDF5 file is damaged", where):
        lacking = dataset.size - sum(source.vspace.get_select_npoints() for source in sources)
    if lacking > 0:
        raise DataError(f"{lacking:,} of its {dataset.size:,} values have no source", where=where)


def _taken(source: Any, where: str) -> tuple[int, ...]:
    """The shape that a source must have; where the whole of it is taken, the header tells only how many values."""
    with guarded("the HDF5 file is damaged", where):
        return source.src_space.shape or (source.vspace.get_select_npoints(),)


def _require_source(file: Path, name: str, taken: tuple[int, ...], where: str) -> None:
    try:
        require_regular(file)
        opened = h5py.File(file, "r")
    except (DataError, OSError) as error:
        raise DataError("a source of this virtual dataset is gone or cannot be opened", where=where) from error
    with opened:
        if name not in list(opened):
            raise DataError("a source of this virtual dataset is gone", where=where)
        dataset = linked_here(opened, name, where)
        if not isinstance(dataset, h5py.Dataset) or require_inside(dataset, where):
            raise DataError("the source of a virtual dataset must be a plain dataset", where=where)
        require_filters(dataset, where)
        require_written(dataset, where)
        if any(np.less(dataset.shape if dataset.ndim == len(taken) else (dataset.size,), taken)):
            raise DataError(f"the source has the shape {dataset.shape}, {taken} is taken from it", where=where)
