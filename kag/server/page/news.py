"""News of a project, pushed to whoever looks at one of its pages: that something has changed, never what.

A page that is told so asks for what is new, as it would by itself. The database is asked once a second for all pages of
this process together; so changes that came in through another process are news as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from kag.server.faults import Fault
from kag.server.store import Store
from kag.server.tables import projects

PAUSE = 1.0
"""Seconds between two questions to the database."""
AGAIN = 20.0
"""Seconds until the same is told again: a run that falls silent changes no row, and proxies drop quiet connections."""
LASTS = 300.0
"""Seconds that a stream lasts. Then the browser opens another, if it is still logged in."""
MOST = 200
"""Streams at once: each takes one of the connections that clients log on."""


class News:
    """The streams of one server.

    Args:
        store: the database.
        clock: seconds, from any moment on.
        pause: seconds between two questions to the database.
    """

    def __init__(self, store: Store, clock: Callable[[], float], *, pause: float = PAUSE) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause
        self._asked = float("-inf")
        self._seqs: dict[int, int] = {}
        self._open = 0

    def stream(self, project: int) -> AsyncIterator[str]:
        """The events of a project as a browser's EventSource reads them, the first one at once.

        Raises:
            Fault: there are too many already.
        """
        if self._open >= MOST:
            raise Fault("too many pages are open; this one asks again by itself", status=429)
        return self._told(project)

    async def _told(self, project: int) -> AsyncIterator[str]:
        self._open += 1
        try:
            begun, told, at = self._clock(), -1, float("-inf")
            yield f"retry: {round(2000 * self._pause)}\n\n"
            while (now := self._clock()) - begun < LASTS:
                seq = await self._seq(project, now)
                if seq != told or now - at >= AGAIN:
                    told, at = seq, now
                    yield f"data: {seq}\n\n"
                await asyncio.sleep(self._pause)
        finally:
            self._open -= 1

    async def _seq(self, project: int, now: float) -> int:
        """The number of the last change of a project; one that is gone has none."""
        if now - self._asked >= self._pause:
            self._asked = now
            self._seqs = await run_in_threadpool(self._read)
        return self._seqs.get(project, 0)

    def _read(self) -> dict[int, int]:
        with self._store.read() as connection:
            return {row.id: row.seq for row in connection.execute(select(projects.c.id, projects.c.seq))}
