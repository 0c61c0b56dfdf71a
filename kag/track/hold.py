"""Who trains a run: the process that holds its lock and is named by its owner file.

The system lets go of the lock when the process dies, and keeps apart all processes of one machine at least; the owner
file (`kag.track.claim`) keeps apart those of several, and tells all others who trains.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kag.errors import RecordError
from kag.text import duration
from kag.track.atomic import storing
from kag.track.claim import Claim, Taken, claimed, look, standing
from kag.track.folder import RunFolder
from kag.track.heartbeat import is_silent, last_beat
from kag.track.owner import SILENT, Owner, this_process
from kag.track.record import RunRecord, Status

PATIENCE = 0.5
"""Seconds to wait for the lock: longer than anybody needs who only looks whether it is held."""


@contextmanager
def locked(folder: RunFolder) -> Iterator[Claim]:
    """Hold the run alone.

    Raises:
        RecordError: another process trains this run, on this machine or elsewhere.
        StorageError: its lock or its owner file cannot be made.
    """
    with ExitStack() as held:
        try:
            own = held.enter_context(alone(folder.lock_file, folder.owner_file, patience=PATIENCE))
        except Taken as taken:
            raise _refused(folder, taken.owner) from taken
        yield own


@contextmanager
def alone(lock_file: Path, owner_file: Path, *, patience: float | None) -> Iterator[Claim]:
    """Hold something alone: a lock, and beside it an owner file.

    Args:
        lock_file, owner_file: where they lie.
        patience: seconds to wait for it; None waits until it is free.

    Raises:
        Taken: another process holds it.
        StorageError: one of the files cannot be made.
    """
    from filelock import FileLock, Timeout  # whoever only looks need not load it

    lock = FileLock(lock_file)
    with storing(lock_file):
        try:
            lock.acquire(timeout=-1 if patience is None else patience)
        except Timeout as error:
            # Who has just got the lock may not have put its name there yet.
            owner = look(owner_file)
            raise Taken(None if owner is None or standing(owner, owner_file).gone else owner) from error
    try:
        with claimed(owner_file, wait=patience is None) as own:
            yield own
    finally:
        lock.release()


def as_it_stands(folder: RunFolder, record: RunRecord) -> RunRecord:
    """The record, but killed where it says running and nobody trains the run any more.

    A process that is killed with -9 writes nothing any more. Its owner file tells what became of it, and its last sign
    of life is in the record then.
    """
    if record.status is not Status.RUNNING:
        return record
    owner = look(folder.owner_file)
    beat = owner.sign.replace(microsecond=0) if owner else last_beat(folder)
    gone = _is_gone(folder, owner) if owner else _was_gone(folder, record, beat)
    return record.model_copy(update={"status": Status.KILLED, "heartbeat": beat}) if gone else record


def may_be_trained(folder: RunFolder, record: RunRecord) -> bool:
    """Whether a process may be training the run.

    Of a run without an owner file, which an older kag trains, only a process of this machine is known to be gone: its
    silence is enough to show it as killed, not to write into it.
    """
    if record.status is not Status.RUNNING:
        return False
    owner = look(folder.owner_file)
    if owner is not None:
        return not _is_gone(folder, owner)
    return not (_is_here(record) and _held(folder) is False)


def was_never_held(folder: RunFolder, record: RunRecord) -> bool:
    """Whether nobody has ever held a run that says it is under way on this machine.

    A process holds a run right behind its first record: it was killed between, or is about to hold it. Whoever goes on
    with the run takes the lock, and so finds out.
    """
    return record.status is Status.RUNNING and _is_here(record) and _held(folder) is None


def last_sign(folder: RunFolder, own: Claim) -> datetime | None:
    """The last sign of life of the process before the one that holds the run now; None where none is known."""
    return own.former.sign.replace(microsecond=0) if own.former else last_beat(folder)


def _is_gone(folder: RunFolder, owner: Owner) -> bool:
    """Whether an owner is; a lock that is held proves life, wherever, one that is free proves nothing."""
    return standing(owner, folder.owner_file).gone and not _held(folder)


def _was_gone(folder: RunFolder, record: RunRecord, beat: datetime | None) -> bool:
    """Whether the process of an older kag is: on its own machine by the lock, else by its signs of life."""
    held = _held(folder) if _is_here(record) else None
    return is_silent(beat, datetime.now(UTC)) if held is None else not held


def _is_here(record: RunRecord) -> bool:
    return record.environment.get("hostname") == socket.gethostname()


def _refused(folder: RunFolder, owner: Owner | None) -> RecordError:
    what, remedy = f"run {folder.id} is being trained by another process", None
    if owner is not None and owner.process is not None:
        what += f" on {owner.host}"
        if not owner.is_seen_by(this_process()):
            what += f", whose last sign of life came at {owner.sign:%H:%M:%S} UTC"
            remedy = f"if it is gone, try again {duration(SILENT.total_seconds())} after that sign"
    return RecordError(what, where=str(folder.path), remedy=remedy)


def _held(folder: RunFolder) -> bool | None:
    """Whether a process holds the lock, as far as that is seen here; None if none ever did."""
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
