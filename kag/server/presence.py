"""Since when clients can report: from the start of the first of the servers that work side by side.

While there is none nobody can report, so what fell silent then is believed for a while. A server that starts beside
another one, as after a kill, must not begin that anew: leases would last as long as it is restarted, and the servers
would tell different things of one run. They know of each other by a lock in the folder of files, which they share.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kag.server.locks import at_once, share, together
from kag.server.private import private_folder

LOCK = "servers.lock"
"""File in the folder of files that servers hold together; the first of them writes there when it came."""


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
