"""Signs of life of the process that trains a run, for machines where its lock tells nothing.

They lie in a file of their own beside the record, so that no writer of the record is disturbed. The file holds the time
by the clock of the process: what a file system says of a file, a copy of the folder and a cache of NFS make younger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

from kag.errors import StorageError
from kag.track.atomic import storing, write_atomically
from kag.track.folder import RunFolder

EVERY = 60.0
"""Seconds between two signs."""

SILENT = timedelta(minutes=15)
"""Without a sign for so long a run counts as killed: many signs, and more than clocks are apart."""


@contextmanager
def beating(folder: RunFolder) -> Iterator[None]:
    """Give signs of life to the end of the block, by whoever holds the run; a killed process leaves its last one.

    Where the disk takes none the run goes on: what it must write will say so.
    """
    ended = Event()

    def beat() -> None:
        with suppress(StorageError):
            write_atomically(folder.heartbeat_file, f"{datetime.now(UTC).isoformat(timespec='seconds')}\n")

    def beat_on() -> None:
        while not ended.wait(EVERY):
            beat()

    beat()
    thread = Thread(target=beat_on, name="kag-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with suppress(StorageError), storing(folder.heartbeat_file):
            folder.heartbeat_file.unlink(missing_ok=True)


def last_beat(folder: RunFolder) -> datetime | None:
    """The last sign of life; None where there is none that can be read."""
    try:
        return datetime.fromisoformat(folder.heartbeat_file.read_text(encoding="ascii").strip()).astimezone(UTC)
    except (OSError, ValueError):
        return None


def is_silent(beat: datetime | None, now: datetime) -> bool:
    """Whether the last sign is too old for a run that lives; one of a clock that is ahead is not, nor is none."""
    return beat is not None and now - beat > SILENT
