"""Whether the server can do its work: the database has every table and column, and the disk takes what is written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Executable, select

from kag.server.store import Store
from kag.server.tables import metadata
from kag.server.trouble import FAILURES, trouble_of

PATIENCE = 0.8
"""Seconds in which database and disk answer: who asks is told within one."""
_PROBE = bytes(64 * 1024)


class Health:
    """Asks database and disk. Threads of its own: it answers however many requests are worked on."""

    def __init__(self, store: Store, files: Path) -> None:
        self.store = store
        self.files = files
        self.threads = CapacityLimiter(4)
        self.everything = everything()

    async def trouble(self) -> str | None:
        """What is wrong, in a sentence; None if all is well."""
        try:
            with anyio.fail_after(PATIENCE):
                return await to_thread.run_sync(self._asked, limiter=self.threads, abandon_on_cancel=True)
        except TimeoutError:
            return f"the database or the disk did not answer within {PATIENCE:g} s"

    def _asked(self) -> str | None:
        try:
            with self.store.read() as connection:
                connection.execute(self.everything)
            with tempfile.TemporaryFile(dir=self.files) as file:
                file.write(_PROBE)
        except FAILURES as error:
            trouble = trouble_of(error)
            if trouble is None:
                raise
            return trouble.what
        return None


def everything() -> Executable:
    """Names every column of every table; the database complains of what it has not.

    One question: with one a table, on a busy server, the answers would not come in time.
    """
    return select(*(select(table).limit(0).exists() for table in metadata.sorted_tables))
