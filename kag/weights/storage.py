"""Torch files that are either whole or absent, and that never execute code when read."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from kag.errors import CheckpointError
from kag.track.atomic import atomic_path, refused_by_system


def save_torch(path: Path, value: Any) -> None:
    """Write a file by `atomic_path`.

    Raises:
        StorageError: the folder is missing, the disk is full or the path may not be written.
    """
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            torch.save(value, file)
    except RuntimeError as error:
        # Where the system takes no more bytes, torch's own complaint (of a position in its archive) comes on top.
        if isinstance(error.__context__, OSError):
            raise refused_by_system(path, error.__context__) from error
        raise


def load_torch(path: Path, *, mmap: bool = False) -> dict[str, Any]:
    """Read a mapping written by `torch.save`, on the CPU, with `weights_only`.

    Checksums are compared before anything is unpickled, so a damaged file is known as one. With `mmap` only what is
    unpickled is read, some kB: tensors stay on the disk until they are used, and none is compared with its checksum.
    Weights have a digest of their own; of other tensors `require_whole` says whether they are as they were written.

    Raises:
        CheckpointError: missing, not a torch file, damaged, or holding more than tensors and plain values.
    """
    with _reading(path):
        _compare_checksums(path, tensors=not mmap)
        value = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    if not isinstance(value, dict):
        raise CheckpointError(f"holds a {type(value).__name__}, not a mapping", where=str(path))
    return value


def require_whole(path: Path) -> None:
    """Read all of a file once, and refuse one that is not as it was written.

    Raises:
        CheckpointError: missing, not a torch file, or damaged.
    """
    with _reading(path):
        _compare_checksums(path, tensors=True)


def _compare_checksums(path: Path, *, tensors: bool) -> None:
    """Compare the entries of an archive with their checksums; those of tensors, `NAME/data/0`, only if asked."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if not tensors and name.split("/")[1:-1] == ["data"]:
                continue
            try:
                with archive.open(name) as entry:
                    while entry.read(2**20):
                        pass
            except zipfile.BadZipFile as error:
                raise CheckpointError(f"damaged: the checksum of {name} is wrong", where=str(path)) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Around what reads a file: what is wrong with it is said in a sentence.

    Raises:
        CheckpointError: the file is missing, or what is read inside is not as torch writes it.
    """
    if not path.is_file():
        raise CheckpointError("no such file", where=str(path))
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError) as error:
        raise CheckpointError(f"not a torch file, or cut off ({error})", where=str(path)) from error
    except pickle.UnpicklingError as error:
        # torch's own text says how to load it all the same: such a file runs any code when it is read so.
        raise CheckpointError(
            "cannot be read: it holds more than tensors and plain values, and could run a program",
            where=str(path),
            remedy="take a file that kag wrote, or one of tensors alone",
        ) from error
    except (OSError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointError(f"cannot be read: {first}", where=str(path)) from error
