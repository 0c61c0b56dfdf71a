"""The folder of prepared data: which arrays belong to which file, how much there may be, what goes first.

    arrays/<content>          arrays of data, named by what is in them
    by-file/<file>            a link to them, named by device, inode, size and times of the data file and by kag's code
    by-file/<file>.lock       held by the process that prepares them

A file that is changed in place has other times, a file of the same shape other content: neither is ever taken for the
other. Files are of one user, and nobody else may read them.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kag import text
from kag.data.array_file import Facts, Mapped, is_mapped, map_arrays, read_facts
from kag.errors import StorageError, UserError
from kag.track.atomic import storing, sync_folder, unfinished
from kag.track.code import code_digest

FOLDER, LIMIT = "KAG_CACHE", "KAG_CACHE_LIMIT"
"""Variables that name the folder (`off`: none), and the most that may be in it, in GiB."""

MOST_GIB = 50.0

PREPARING = ("data", "model/tabular")
"""Parts of kag whose code makes what is kept."""

SETTLED = 2.0
"""Seconds for which a file must have been left alone: some file systems count time in whole ones, and a change within
the same tick would not show."""


class FileKey(NamedTuple):
    """What changes whenever a file does."""

    device: int
    inode: int
    size: int
    changed: int
    """Nanoseconds: of the content, which programs can set back."""
    touched: int
    """Nanoseconds: of anything about the file, which nobody can set."""

    @classmethod
    def of(cls, path: Path) -> FileKey:
        """The key of a file as it is now. It is opened for that: so a network file system asks its server."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(file)
        finally:
            os.close(file)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def settled(self, now: float) -> bool:
        """Whether a change that comes now, in seconds since 1970, would get other times."""
        return max(self.changed, self.touched) / 1e9 + SETTLED < now

    @property
    def name(self) -> str:
        """As text. Other code may prepare the same file otherwise."""
        return hashlib.sha256(repr((tuple(self), code_digest(*PREPARING))).encode()).hexdigest()[:32]


class Entry(NamedTuple):
    """Arrays of some data."""

    path: Path
    bytes: int
    used: datetime
    """When a process opened it for the last time."""

    @property
    def in_use(self) -> bool:
        """Whether a process maps it now."""
        return is_mapped(self.path)

    def facts(self) -> Facts | None:
        """What is known of them; None if the file is damaged."""
        return read_facts(self.path)


@dataclass(frozen=True)
class Cache:
    """A folder of prepared data."""

    folder: Path
    limit: int
    """Bytes."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Cache | None:
        """The one that the environment names; None if it is switched off.

        Raises:
            UserError: the limit is no number.
        """
        named = environment.get(FOLDER)
        if named == "off":
            return None
        home = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(Path(named) if named else home / "kag", _limit(environment.get(LIMIT)))

    def find(self, key: FileKey) -> Mapped | None:
        """The arrays of a file, mapped; None if there are none, or they are damaged."""
        link = self._link(key)
        try:
            mapped = map_arrays(link)
        except OSError:
            return None
        with suppress(OSError):  # whoever may only read is served all the same
            os.utime(link)
        return mapped

    @contextmanager
    def preparing(self, key: FileKey, waiting: Callable[[], None]) -> Iterator[None]:
        """Alone with a file, as far as the file system has locks: two that prepare it at once only work twice.

        Args:
            waiting: called if another process prepares it, before waiting for that.

        Raises:
            StorageError: the folder cannot be made or takes nothing.
        """
        from filelock import FileLock, Timeout

        with storing(self.folder):
            for folder in (self.folder, self._arrays, self._links):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self._link(key).with_suffix(".lock"), mode=0o600)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def temporary(self) -> Path:
        """A new path to write arrays to."""
        return self._arrays / f".{secrets.token_hex(8)}.tmp"

    def keep(self, temporary: Path, name: str, key: FileKey) -> None:
        """Give arrays that are on the disk their name, unless it is there, and a file its arrays.

        Raises:
            StorageError: the folder takes nothing.
        """
        target, link = self._arrays / name, self._link(key)
        with storing(target):
            if _damaged(target):
                os.replace(temporary, target)
                sync_folder(self._arrays)
            fresh = link.with_name(f".{secrets.token_hex(8)}.tmp")
            os.symlink(os.path.relpath(target, link.parent), fresh)
            os.replace(fresh, link)

    def make_room(self, size: int) -> None:
        """Let the arrays go that were not used for the longest time, until there is room; none that a process maps.

        Raises:
            StorageError: there is not enough.
        """
        entries = self.entries()
        with storing(self.folder):
            free = shutil.disk_usage(self.folder).free
        room = min(self.limit - sum(entry.bytes for entry in entries), free) - size
        for entry in reversed(entries):
            if room < 0 and not entry.in_use:
                entry.path.unlink(missing_ok=True)
                room += entry.bytes
        self._clear_up()
        if room < 0:
            most = f"the cache may take {text.size(self.limit)}, the disk has {text.size(free)} free"
            raise StorageError(
                f"has no room for {text.size(size)} of arrays: {most}",
                where=str(self.folder),
                remedy=f"another folder in {FOLDER}, or more GiB in {LIMIT}",
            )

    def entries(self) -> list[Entry]:
        """All that is there, what was used last first."""
        found = []
        for path in self._arrays.glob("[!.]*"):
            with suppress(FileNotFoundError):  # another process may clear up
                status = path.stat()
                found.append(Entry(path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
        return sorted(found, key=lambda entry: entry.used, reverse=True)

    def clear(self) -> list[Entry]:
        """Remove all arrays, and say which; processes that map some keep them until they end.

        Raises:
            StorageError: the folder lets nothing go.
        """
        gone = self.entries()
        with storing(self.folder):
            for entry in gone:
                entry.path.unlink(missing_ok=True)
            self._clear_up()
            for lock in self._links.glob("*.lock"):
                lock.unlink(missing_ok=True)
        return gone

    def _clear_up(self) -> None:
        """Remove what processes left behind that were killed, and links that lead nowhere."""
        for path in unfinished(self._arrays):
            if not is_mapped(path):
                path.unlink(missing_ok=True)
        for link in self._links.glob("*"):
            if link.is_symlink() and not link.exists():
                link.unlink(missing_ok=True)

    @property
    def _arrays(self) -> Path:
        return self.folder / "arrays"

    @property
    def _links(self) -> Path:
        return self.folder / "by-file"

    def _link(self, key: FileKey) -> Path:
        return self._links / key.name


def _damaged(path: Path) -> bool:
    try:
        return map_arrays(path) is None
    except FileNotFoundError:
        return True


def _limit(said: str | None) -> int:
    try:
        gib = float(said or MOST_GIB)
    except ValueError:
        gib = math.nan
    if not 0 <= gib < math.inf:
        raise UserError(f"`{said}` is no number of GiB", where=LIMIT, nearest=f"{MOST_GIB:g}")
    return int(gib * 2**30)
