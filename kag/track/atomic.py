"""Write a file so that a reader, whenever it looks, finds one complete version: the old one or the new one."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from kag.errors import StorageError, UserError

_ROOM = "make room on this disk, then go on"
_RIGHTS = "make the place writable, or name another one"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the largest size of a file (`ulimit -f`), then go on",
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOENT: "the folder is not there, or was taken away meanwhile",
}


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Around what writes to `path`: what the system refuses inside is said in a sentence.

    Raises:
        StorageError: the disk is full, read-only or gone.
    """
    try:
        yield
    except OSError as error:
        raise refused_by_system(path, error) from error


def refused_by_system(path: Path, error: OSError) -> StorageError:
    """The sentence about a file that the system did not take."""
    why = os.strerror(error.errno) if error.errno else str(error)
    return StorageError(
        f"cannot be written: {why[:1].lower()}{why[1:]}",
        where=str(path),
        remedy=_REMEDIES.get(error.errno) if error.errno else None,
    )


def require_place(folder: Path) -> None:
    """Say what is wrong with a folder that is to be made or written into, before anything is done.

    Raises:
        UserError: the folder, or the one that it is to lie in, is no folder or takes nothing from this process.
    """
    place = folder
    while not (found := _found(place, folder)) and place != place.parent:
        place = place.parent
    what = None
    if place.is_symlink() and not place.exists():
        what = f"a link to {os.readlink(place)}, which is not there"
    elif found and not place.is_dir():
        what = "not a folder"
    elif not os.access(place, os.W_OK | os.X_OK):
        what = "not writable for this user"
    if what is not None:
        raise UserError(f"nothing can be written here: this is {what}", where=str(place), remedy="name another place")


def _found(place: Path, named: Path) -> bool:
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UserError(f"is no place to write to: {error.strerror}", where=str(named)) from error
    return True


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: the file that lies there when the block ends replaces `path` in one step.

    The data reach the disk before the name does, and the name before the block is left. Two writers at once are safe:
    the last one wins. An error inside leaves the old version and nothing else, a process killed inside the old version
    and at most a `.<name>.<random>.tmp` beside it.

    Raises:
        StorageError: the folder is missing, read-only or full; the old version is untouched.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    with storing(path):
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(target.parent)


def keep_rights(old: Path, new: Path) -> None:
    """Give a file the mode of the one that it is to replace, and its owner, as far as the system lets this process;
    nothing if there is none.
    """
    if not old.exists():
        return
    before, now = os.stat(old), os.stat(new)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        with suppress(PermissionError):
            os.chown(new, before.st_uid, before.st_gid)
    os.chmod(new, stat.S_IMODE(before.st_mode))


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Replace a file by `atomic_path`; text is written as UTF-8, line ends as they are.

    Args:
        path: the file.
        content: all of it.
        mode: who may read and write it, as far as the process's umask allows that.
    """
    with atomic_path(path) as temporary, open(temporary, "wb", opener=partial(os.open, mode=mode)) as file:
        file.write(content.encode() if isinstance(content, str) else content)


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
