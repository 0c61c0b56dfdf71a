"""Who trains a run: the process that holds its lock. The system lets go of the lock when the process dies."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from kag.errors import RecordError
from kag.track.atomic import storing
from kag.track.folder import RunFolder
from kag.track.heartbeat import is_silent, last_beat
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
    """The record, but killed where it says running and nobody trains the run any more.

    A process that is killed with -9 writes nothing any more. On its own machine the lock tells; elsewhere, and of a
    copied folder, the last sign of life does, which is then in the record.
    """
    if record.status is not Status.RUNNING:
        return record
    beat = last_beat(folder)
    held = _held(folder) if _is_here(record) else None
    gone = is_silent(beat, datetime.now(UTC)) if held is None else not held
    return record.model_copy(update={"status": Status.KILLED, "heartbeat": beat}) if gone else record


def may_be_trained(folder: RunFolder, record: RunRecord) -> bool:
    """Whether a process may be training the run; only that of this machine is known to be gone by its lock.

    Silence is enough to show a run as killed, not to write into it.
    """
    return record.status is Status.RUNNING and not (_is_here(record) and _held(folder) is False)


def was_never_held(folder: RunFolder, record: RunRecord) -> bool:
    """Whether nobody has ever held a run that says it is under way on this machine.

    A process holds a run right behind its first record: it was killed between, or is about to hold it. Whoever goes on
    with the run takes the lock, and so finds out.
    """
    return record.status is Status.RUNNING and _is_here(record) and _held(folder) is None


def _is_here(record: RunRecord) -> bool:
    return record.environment.get("hostname") == socket.gethostname()


def _held(folder: RunFolder) -> bool | None:
    """Whether a process of this machine holds the run; None if none ever did."""
    try:
        handle = os.open(folder.lock_file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
