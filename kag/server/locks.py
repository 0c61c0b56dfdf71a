"""Locks between processes: the system lets go of one when the last process with it dies, so none can be stale."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kag.server.private import opener


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock alone while the block runs; waits for it."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def together(path: Path) -> int:
    """Hold a lock together with others, until the descriptor is closed in every process that has it; waits for it."""
    handle = _opened(path)
    fcntl.flock(handle, fcntl.LOCK_SH)
    return handle


def at_once(path: Path, *, shared: bool = False) -> int | None:
    """Hold a lock, alone or together with others, until the descriptor is closed; None if another process has it."""
    handle = _opened(path)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def share(handle: int) -> None:
    """Let others hold a lock, too, that this process has had alone."""
    fcntl.flock(handle, fcntl.LOCK_SH)


def is_held(path: Path) -> bool:
    """Whether some process holds a lock, alone or together with others."""
    free = at_once(path)
    if free is not None:
        os.close(free)
    return free is None


def _opened(path: Path) -> int:
    return opener(path, os.O_RDWR | os.O_CREAT)
