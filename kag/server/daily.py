"""What a server does by itself when it begins, and once a day: what is kept no longer goes, with its files."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
from anyio import to_thread

from kag.server.artifacts import end_expired
from kag.server.blobs import Blobs
from kag.server.files import drop_unnamed
from kag.server.store import Store
from kag.server.trash import drop_expired
from kag.server.trouble import trouble_of

log = logging.getLogger("kag.server")

DAY = 86_400.0
Rest = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""
Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
"""Around all that an application of Starlette serves."""


def tidy(store: Store, files: Blobs, *, now: float) -> None:
    """Remove versions whose time to live is over, runs that were deleted a day ago, and files that nothing names."""
    end_expired(store, now)
    drop_expired(store, now=now)
    drop_unnamed(store, files)


def daily(store: Store, files: Blobs, clock: Callable[[], float], rest: Rest = anyio.sleep) -> Lifespan:
    """Tidy up once a day while an application is served, beside its requests.

    What fails is logged and tried again the next day; requests are served meanwhile.

    Args:
        store: the database.
        files: where files lie.
        clock: seconds since the epoch.
        rest: how a day is waited for.
    """

    def work() -> None:
        try:
            tidy(store, files, now=clock())
        except Exception as error:
            trouble = trouble_of(error)
            if trouble is None:
                log.exception("what is kept no longer could not be removed")
            else:
                log.error("what is kept no longer could not be removed: %s (%s)", trouble.what, store.said(error))

    async def go_on() -> None:
        while True:
            await rest(DAY)
            await to_thread.run_sync(work)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            yield
            tasks.cancel_scope.cancel()

    return lifespan
