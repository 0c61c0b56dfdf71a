"""Whether the server can do its work: the database has every table and column, and the disk takes what is written."""

from __future__ import annotations

import math
import time
from functools import partial
from threading import Lock

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Executable, select

from kag.server.blobs import Blobs
from kag.server.store import Store
from kag.server.tables import metadata
from kag.server.trouble import FAILURES, trouble_of


class Health:
    """Asks database and disk. Threads of its own: it answers however many requests are worked on.

    One look at a time; it answers all who had asked when it began, so that many who ask at once cost two.

    Args:
        store: the database.
        files: where files lie.
        within: seconds in which they answer.
    """

    def __init__(self, store: Store, files: Blobs, *, within: float) -> None:
        self.store = store
        self.files = files
        self.within = within
        self.threads = CapacityLimiter(4)
        self.everything = everything()
        self._looking = Lock()
        self._began = -math.inf
        self._found: str | None = None

    async def trouble(self) -> str | None:
        """What is wrong, in a sentence; None if all is well."""
        try:
            with anyio.fail_after(self.within):
                asked = partial(self._asked, time.monotonic())
                return await to_thread.run_sync(asked, limiter=self.threads, abandon_on_cancel=True)
        except TimeoutError:
            return f"the database or the disk did not answer within {self.within:g} s"

    def _asked(self, since: float) -> str | None:
        with self._looking:
            if self._began < since:
                began = time.monotonic()
                self._found = self._look()
                self._began = began
            return self._found

    def _look(self) -> str | None:
        try:
            with self.store.read() as connection:
                connection.execute(self.everything)
            self.files.probe()
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
