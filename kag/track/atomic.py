"""Write a file so that a reader, whenever it looks, finds one complete version: the old one or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kag.errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: the file that lies there when the block ends replaces `path` in one step.

    The data reach the disk before the name does, and the name before the block is left. Two writers at once are safe:
    the last one wins. An error inside leaves the old version and nothing else, a process killed inside the old version
    and at most a `.<name>.<random>.tmp` beside it.

    Raises:
        OSError: the folder is missing, read-only or full; the old version is untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file by `atomic_path`; text is written as UTF-8, line ends as they are."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def write_output(path: Path, content: str | bytes) -> None:
    """Write a file that a person asked for by `write_atomically`; its folder is made.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(path)) from error


def unfinished(folder: Path) -> Iterator[Path]:
    """What writers left in a folder that died inside `atomic_path`, or are inside it now."""
    return folder.glob(".*.tmp")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: new, renamed and removed files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
