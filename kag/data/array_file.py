"""Arrays in one file that any number of processes map into memory: they share one copy, and the disk stands behind it.

Arrays first, each at a page of its own, then what is known of them as JSON, then the digest and the length of that JSON
and a mark: a file that was cut, or never finished, has no such end and is not taken.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import mmap
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kag.track.atomic import storing

MARK = b"kag arrays 1"
_END = struct.Struct(f"<32sqq{len(MARK)}s")
"""SHA-256 of the JSON, where the JSON begins, its length, the mark."""

Facts = dict[str, Any]


class Mapped(NamedTuple):
    """A file that was written to its end."""

    arrays: dict[str, NDArray[Any]]
    """Read-only: a page is loaded when it is first looked at, and given back when memory is short."""
    facts: Facts


class ArrayWriter:
    """A file of arrays under construction; the arrays that it hands out lie in it, and hold it as `map_arrays` says.

    Raises:
        StorageError: from any method, where the disk is full, read-only or gone. Room is taken before it is written to:
            a mapped page for which the disk has none would end the process.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._places, self._end = path, dict[str, Any](), 0
        with storing(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            # Who clears up tells by the lock that somebody is still writing.
            with suppress(OSError):
                fcntl.flock(self._file, fcntl.LOCK_EX)

    def reserve(self, size: int) -> None:
        """Take room on the disk for what is to come, in bytes."""
        with storing(self._path):
            os.posix_fallocate(self._file, 0, max(size, 1))

    def allocate(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
        """A new array of the file, of one number or more, to be filled."""
        dtype = np.dtype(kind)
        size = math.prod(shape) * dtype.itemsize
        begin = -(-self._end // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._end = begin + size
        self._places[name] = {"type": dtype.str, "shape": shape, "begin": begin}
        with storing(self._path):
            os.posix_fallocate(self._file, begin, size)
            memory = mmap.mmap(self._file, size, offset=begin)
        return np.frombuffer(memory, dtype).reshape(shape)

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Copy an array into the file, unless it is one that lies there."""
        if name not in self._places:
            self.allocate(name, array.shape, array.dtype)[...] = array

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Write the end, and let the disk have all of it."""
        text = json.dumps({"arrays": self._places, "facts": facts}).encode()
        end = _END.pack(hashlib.sha256(text).digest(), self._end, len(text), MARK)
        with storing(self._path):
            os.ftruncate(self._file, self._end)
            os.pwrite(self._file, text + end, self._end)
            os.fsync(self._file)
        with suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let go of the file; arrays that are still held stay."""
        os.close(self._file)


def map_arrays(path: Path) -> Mapped | None:
    """The arrays of a file; None if it is no such file, was cut, or is somebody else's.

    As long as any of the arrays lives, the process holds a shared lock on the file: see `is_mapped`.

    Raises:
        OSError: there is no such file, or it cannot be opened.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if status.st_uid != os.geteuid() or status.st_size < _END.size:
            return None
        # The mapping keeps a duplicate of the descriptor, and with it the lock. Where a file system has no locks,
        # nobody is told; what is mapped stays mapped even when its name is removed.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        memory = mmap.mmap(file, status.st_size, prot=mmap.PROT_READ)
    finally:
        os.close(file)
    known = _known(memory)
    if known is None:
        return None
    arrays = {name: _array(memory, place) for name, place in known["arrays"].items()}
    return Mapped(arrays, known["facts"])


def read_facts(path: Path) -> Facts | None:
    """What is known of the arrays of a file, as for `map_arrays`."""
    mapped = map_arrays(path)
    return mapped.facts if mapped else None


def is_mapped(path: Path) -> bool:
    """Whether a process maps or writes the file, as far as the file system has locks."""
    try:
        file = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False


def _known(memory: mmap.mmap) -> Facts | None:
    digest, begin, length, mark = _END.unpack(memory[-_END.size :])
    text = memory[-_END.size - length : -_END.size]
    whole = mark == MARK and begin + length + _END.size == len(memory)
    if not whole or hashlib.sha256(text).digest() != digest:
        return None
    known: Facts = json.loads(text)
    return known


def _array(memory: mmap.mmap, place: Mapping[str, Any]) -> NDArray[Any]:
    shape = tuple(place["shape"])
    return np.frombuffer(memory, place["type"], math.prod(shape), place["begin"]).reshape(shape)
