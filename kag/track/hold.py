"""Who trains a run: the process that holds its lock. The system lets go of the lock when the process dies."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kag.errors import RecordError
from kag.track.atomic import storing
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status

PATIENCE = 0.5
"""Seconds to wait for the lock: longer than anybody needs who only looks whether it is held."""


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold the run alone.

    Raises:
        RecordError: another process trains this run.
        StorageError: its lock cannot be made.
    """
    from filelock import FileLock, Timeout  # whoever only looks need not load it

    lock = FileLock(folder.lock_file)
    with storing(folder.lock_file):
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as error:
            raise RecordError(f"run {folder.id} is being trained by another process", where=str(folder.path)) from error
    try:
        yield
    finally:
        lock.release()


def as_it_stands(folder: RunFolder, record: RunRecord) -> RunRecord:
    """The record, but killed where it says running and the process that trained on this machine is gone.

    A process that is killed with -9 writes nothing any more. Of another machine's processes nothing is known here.
    """
    if record.status is not Status.RUNNING or record.environment.get("hostname") != socket.gethostname():
        return record
    return record.model_copy(update={"status": Status.KILLED}) if _let_go(folder) else record


def _let_go(folder: RunFolder) -> bool:
    """Whether the run was held once, and is not now."""
    try:
        handle = os.open(folder.lock_file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
