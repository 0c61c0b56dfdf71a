"""What a server keeps is for the eyes of its user alone: folders 0700, files 0600, also those that it finds."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

from kag.errors import UserError

FOLDER, FILE = 0o700, 0o600

opener = partial(os.open, mode=FILE)
"""For `open`: a file that is made is nobody else's from its first moment on."""


def private_folder(path: Path) -> None:
    """Make a folder, or close one that is there.

    Raises:
        UserError: it is open to others, and belongs to another user.
    """
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    close(path, FOLDER)


def private_file(path: Path) -> None:
    """Make an empty file, or close one that is there; its content stays.

    Raises:
        UserError: it is open to others, and belongs to another user.
    """
    # A database that is there is not opened: SQLite's locks on a file end with any descriptor of it that is closed.
    with suppress(FileExistsError):
        os.close(opener(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    close(path)


def close(path: Path, mode: int = FILE) -> None:
    """Take all rights from group and others; nothing happens where they have none.

    Raises:
        UserError: it belongs to another user.
    """
    if stat.S_IMODE(path.stat().st_mode) & ~mode == 0:
        return
    try:
        path.chmod(mode)
    except PermissionError as error:
        raise UserError(
            "others can read this, and only its owner can change that",
            where=str(path),
            remedy=f"run the server as its owner, or `chmod {mode:o}` it as that user",
        ) from error
