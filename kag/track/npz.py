"""Arrays of an `.npz` file from outside: nothing is unpickled, and nothing larger than was said is unpacked."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Mapping
from typing import IO

import numpy as np

from kag.errors import RecordError
from kag.stats.metrics import Array

ARRAYS = 32
"""Arrays in a file."""

UNPACKED = 2**29
"""Bytes of all arrays of a file together."""

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Ways of packing that numpy has."""

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
    *(EOFError, ValueError, TypeError, SyntaxError, NotImplementedError, RuntimeError, MemoryError, OSError),
)
"""What the libraries raise of a file that is damaged, encrypted, or no npz."""


def packed_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as the compressed npz that `arrays_of` reads."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()


def arrays_of(content: bytes, *, where: str, only: Collection[str] | None = None) -> dict[str, Array]:
    """Every array by name, or those alone that are asked for.

    Raises:
        RecordError: no npz, damaged, larger than `UNPACKED`, or with Python objects.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > ARRAYS or sum(member.file_size for member in members) > UNPACKED:
                raise RecordError(f"holds more than {ARRAYS} arrays, or more than {UNPACKED // 2**20} MiB", where=where)
            named = {member.filename.removesuffix(".npy"): member for member in members}
            chosen = {name: member for name, member in named.items() if only is None or name in only}
            return {name: _array(archive, member, where) for name, member in chosen.items()}
    except _BROKEN as error:
        raise RecordError(f"is no npz file that can be read: {_said(error)}", where=where) from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> Array:
    """An array whose header claims no more than its file holds: numpy makes room for what the header says."""
    if member.compress_type not in _PACKED:
        raise ValueError(f"{member.filename} is packed as numpy does not pack")
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if dtype.hasobject:
            raise RecordError(
                f"{member.filename} holds Python objects, which are not read",
                where=where,
                remedy="save text as numpy.asarray(..., dtype=str), numbers as numbers",
            )
        size = math.prod(shape) * dtype.itemsize
        if size > member.file_size:
            raise ValueError(f"{member.filename} claims {size} bytes and has {member.file_size}")
    with archive.open(member) as file:
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"{member.filename} holds more than its array")
        return found


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"an array of format {version}")
    shape, _, dtype = readers[version](file)
    return shape, dtype


def _said(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
