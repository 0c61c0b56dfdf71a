"""Since when clients can report: from the start of the first of the servers that work side by side.

While there is none nobody can report, so what fell silent then is believed for a while. A server that starts beside
another one, as after a kill, must not begin that anew: leases would last as long as it is restarted, and the servers
would tell different things of one run. They know of each other by a lock in the folder of files, which they share; if
files lie in a bucket, by one beside the file of the database, or by one of PostgreSQL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import func, select

from kag.server.blobs import Blobs
from kag.server.locks import at_once, share, together
from kag.server.private import private_folder
from kag.server.store import Store, upsert
from kag.server.tables import secrets

LOCK = "servers.lock"
"""File in the folder of files that servers hold together; the first of them writes there when it came."""


_LOCK = 0x6B616773
"""Number of the lock of PostgreSQL."""


def present_beside(store: Store, files: Blobs, *, now: float) -> AbstractContextManager[float]:
    """Be one of the servers of a database and its files while the block runs; gives what `present` gives."""
    place = store.file.parent if files.folder is None and store.file is not None else files.folder
    return _present_in(store, now=now) if place is None else present(place, now=now)


@contextmanager
def _present_in(store: Store, *, now: float) -> Iterator[float]:
    """The same by PostgreSQL, whose locks end with the connection."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        first = connection.scalar(select(func.pg_try_advisory_lock(_LOCK)))
        if first:
            row = {"name": "servers", "value": str(now)}
            upsert(connection, secrets, [row], key=["name"], update=["value"])
        connection.execute(select(func.pg_advisory_lock_shared(_LOCK)))
        if first:
            connection.execute(select(func.pg_advisory_unlock(_LOCK)))
        yield float(connection.scalar(select(secrets.c.value).filter_by(name="servers")) or now)


@contextmanager
def present(files: Path, *, now: float) -> Iterator[float]:
    """Be one of the servers of a folder while the block runs; since when there has been one (seconds since the epoch).

    Raises:
        UserError: the folder belongs to another user.
    """
    private_folder(files)
    first = at_once(files / LOCK)
    handle = together(files / LOCK) if first is None else first
    try:
        if first is not None:
            os.pwrite(handle, f"{now:020.6f}".encode(), 0)
            share(handle)
        # Of a first one that was killed before it wrote, what the last one before it wrote is there, or nothing.
        yield float(os.pread(handle, 20, 0) or now)
    finally:
        os.close(handle)
