"""Write a file so that a reader, whenever it looks, finds one complete version: the old one or the new one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one step; text is written as UTF-8, line ends as they are.

    The data reach the disk before the name does, and the name before this returns. Two writers at once are safe: the
    last one wins. A process killed in between leaves the old version, and at most a `.<name>.<random>.tmp` beside it.

    Raises:
        OSError: the folder is missing, read-only or full; the old version is untouched.
    """
    target = Path(os.path.realpath(path))
    data = content.encode() if isinstance(content, str) else content
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: new, renamed and removed files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
