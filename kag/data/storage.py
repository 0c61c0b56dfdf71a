"""Whether a dataset can be read as what it seems: its numbers lie in the file itself, were written, and are decodable.

HDF5 follows links, external files and virtual sources without a word, and invents zeros for what was never written.
Only headers are looked at here; no value is read.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5z

from kag.errors import DataError
from kag.text import printable

LIBRARY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises, depending on which byte of a file is wrong; only calls of h5py are guarded by it."""

PLUGINS = "hdf5plugin"
"""Package that brings most filters which HDF5 itself does not have."""

FILTERS = {
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
}
"""Registered numbers. Source: HDF Group, registered filter plugins."""


@contextmanager
def guarded(what: str, where: str) -> Iterator[None]:
    """What h5py says of a broken file, as one sentence.

    Raises:
        DataError: h5py raised.
    """
    try:
        yield
    except LIBRARY_ERRORS as error:
        raise damaged(what, where, error) from error


def damaged(what: str, where: str, error: Exception) -> DataError:
    """What h5py raised, as a sentence."""
    cause = error.args[-1] if error.args else type(error).__name__
    return DataError(f"{what}: {printable(str(cause))}", where=where, remedy="copy or write the file again")


def require_regular(path: Path) -> None:
    """Refuse what must not be opened: opening a named pipe waits for a writer for ever.

    Raises:
        DataError: there is no such file, or it is a folder, a pipe, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        remedy = "correct the path, or make a file with `kag data synth OUT`"
        raise DataError("there is no such file", where=str(path), remedy=remedy) from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if stat.S_ISDIR(mode):
        raise DataError("this is a folder, not an HDF5 file", where=str(path))
    if not stat.S_ISREG(mode):
        raise DataError("this is a pipe, a socket or a device, not a file", where=str(path))


def linked_here(group: h5py.Group, name: str, where: str) -> h5py.HLObject:
    """The object of a name, if the name is no detour to somewhere else.

    Raises:
        DataError: the name is a link to another file or to another name, or the object cannot be opened.
    """
    with guarded("the HDF5 file is damaged", where):
        link = group.get(name, getlink=True)
    remedy = "write the array itself into the file"
    if isinstance(link, h5py.ExternalLink):
        target = f"`{printable(link.path)}` in another file, `{printable(link.filename)}`"
    elif isinstance(link, h5py.SoftLink):
        target, remedy = f"`{printable(link.path)}`", f"{remedy}, or make a hard link"
    else:
        with guarded("the HDF5 file is damaged", where):
            return group[name]
    raise DataError(
        f"this is a link to {target}; kag reads what lies under its own name in the file itself",
        where=where,
        remedy=remedy,
    )


def require_inside(dataset: h5py.Dataset, where: str) -> bool:
    """Refuse numbers that lie in another file, which may be any file that the user can read.

    Returns:
        Whether it is virtual, a view on other datasets. Its shape must not be asked for then: HDF5 may follow a view on
        itself until the stack is full.

    Raises:
        DataError: the dataset has external raw storage.
    """
    with guarded("the HDF5 file is damaged", where):
        stored = dataset.id.get_create_plist()
        virtual = bool(stored.get_layout() == h5d.VIRTUAL)
        count = stored.get_external_count()
        outside = stored.get_external(0)[0] if count else b""
    if count:
        name = printable(outside.decode(errors="replace"))
        raise DataError(
            f"its numbers lie in another file, `{name}` (external raw storage), which kag does not read",
            where=where,
            remedy="write the array itself into the file",
        )
    return virtual


def require_filters(dataset: h5py.Dataset, where: str) -> None:
    """Refuse a compression that this HDF5 cannot undo; if `hdf5plugin` is installed, its filters count.

    Raises:
        DataError: names the filter and the remedy.
    """
    with guarded("the HDF5 file is damaged", where):
        stored = dataset.id.get_create_plist()
        filters = [stored.get_filter(place) for place in range(stored.get_nfilters())]
    for number, _, _, called in filters:
        if _decodable(number):
            continue
        name = FILTERS.get(number) or printable(called.decode(errors="replace")) or "without a name"
        plugin = f"pip install {PLUGINS}" if number in FILTERS else "install the plugin and set HDF5_PLUGIN_PATH to it"
        raise DataError(
            f"it is compressed by the filter {name} ({number}), whose plugin is not installed",
            where=where,
            remedy=f"{plugin}; or compress with gzip",
        )


def _decodable(number: int) -> bool:
    if not h5z.filter_avail(number) and find_spec(PLUGINS):
        import_module(PLUGINS)
    return bool(h5z.filter_avail(number))


def require_written(dataset: h5py.Dataset, where: str) -> None:
    """Refuse rows for which the file has nothing: HDF5 would read them as zeros.

    Raises:
        DataError: names how many rows were never written, and the first.
    """
    with guarded("the HDF5 file is damaged", where):
        rows, lacking = len(dataset), _rows_never_written(dataset)
    if lacking:
        first, count = lacking
        raise DataError(
            f"{count:,} of {rows:,} rows were never written, the first is row {first}: HDF5 would make them up",
            where=where,
            remedy="the program that wrote the file did not finish: let it write the file again",
        )


def _rows_never_written(dataset: h5py.Dataset) -> tuple[int, int] | None:
    """The first row of which anything is missing, and how many there are."""
    rows, layout = len(dataset), dataset.id.get_create_plist().get_layout()
    if layout == h5d.CONTIGUOUS and dataset.id.get_storage_size() == 0:
        return 0, rows
    if layout != h5d.CHUNKED:
        return None
    across = [-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True)]
    if dataset.id.get_num_chunks() >= math.prod(across):
        return None
    height, begins = dataset.chunks[0], []
    dataset.id.chunk_iter(lambda chunk: begins.append(chunk.chunk_offset[0]))
    begin, count = np.unique(np.array(begins, np.int64), return_counts=True)
    whole = begin[count == math.prod(across[1:])]
    gaps = np.flatnonzero(whole != height * np.arange(len(whole)))
    written = int((np.minimum(whole + height, rows) - whole).sum())
    return height * int(gaps[0] if gaps.size else len(whole)), rows - written
