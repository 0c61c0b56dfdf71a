"""Leases: who is making a shared state right now. A lease ends when it is given back, runs out, or its owner is dead.

All changes happen under one file lock, held for milliseconds; the system lets go of it when a process dies. A lease is
renewed by a thread, so a long batch does not lose it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

SECONDS = 120.0
"""How long a lease lasts without renewal; only a process on another, dead machine is waited for so long."""


class Leases:
    """The leases in a folder, as one process sees them.

    Args:
        folder: where the leases lie; it exists.
        seconds: how long a lease lasts without renewal.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self._folder = folder
        self._seconds = seconds
        self._owner = {"host": socket.gethostname(), "pid": os.getpid(), "word": uuid.uuid4().hex}
        self._held: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all other processes from changing anything in the folder."""
        with FileLock(self._folder / ".lock"):
            yield

    def acquire(self, key: str) -> bool:
        """Take a lease unless somebody alive holds it. Call it under `locked`."""
        holder = self._holder(key)
        if holder is not None and holder["word"] != self._owner["word"]:
            return False
        self._write(key)
        self._held.add(key)
        self._start()
        return True

    def release(self, key: str) -> None:
        """Give a lease back. Call it under `locked`."""
        self._held.discard(key)
        holder = self._holder(key)
        if holder is not None and holder["word"] == self._owner["word"]:
            self._path(key).unlink()

    def close(self) -> None:
        """Give everything back and end the renewal."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self.locked():
            for key in sorted(self._held):
                self.release(key)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.lease"

    def _holder(self, key: str) -> dict[str, str | int] | None:
        """Owner of a lease that still counts."""
        path = self._path(key)
        try:
            owner: dict[str, str | int] = json.loads(path.read_text(encoding="utf-8"))
            age = self._now() - path.stat().st_mtime
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        dead = owner["host"] == self._owner["host"] and not _alive(int(owner["pid"]))
        return None if dead or age > self._seconds else owner

    def _now(self) -> float:
        """The clock of the file system that the leases lie on."""
        probe = self._folder / f".clock-{self._owner['word']}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now

    def _write(self, key: str) -> None:
        temporary = self._folder / f".lease-{self._owner['word']}"
        temporary.write_text(json.dumps(self._owner), encoding="utf-8")
        os.replace(temporary, self._path(key))

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
            self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            with self.locked():
                for key in sorted(self._held):
                    holder = self._holder(key)
                    if holder is not None and holder["word"] == self._owner["word"]:
                        os.utime(self._path(key))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait(seconds: float) -> None:
    """Let time pass before looking again."""
    time.sleep(seconds)
