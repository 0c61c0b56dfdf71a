"""Connections: none waits for ever for its request, and who comes when all places are taken gets that of an idle one.

uvicorn bounds neither the time that a header takes nor the connections that send none; with `limit_concurrency` those
would lock everybody out, with a 503 that clients repeat for hours.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterable
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 20.0
"""From the first sign of a connection, or of its next request, until the header is whole."""
LAST_SECONDS = 3.0
"""From the word to stop until requests that have not arrived in full are dropped: their senders repeat them."""
MOST = 1000
"""Connections at once."""
ENDLESS = "/news"
"""Last part of the paths whose answers have no end: browsers ask for them again."""
MOST_WAITING = 2**14
"""Bytes of an answer that wait for more of it."""
RESERVED = 40
"""Descriptors of the process that are no connections: the database's, files, the log."""


def places(descriptors: int) -> int:
    """How many connections a process serves that may have so many descriptors; as many may be on their way out."""
    return max(8, min(MOST, (descriptors - RESERVED) // 2))


def backlog(descriptors: int) -> int:
    """How many connections are taken at once. It takes a few turns of the loop until those in excess are closed."""
    return max(1, places(descriptors) // 4)


def descriptors() -> int:
    """How many descriptors this process may have."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Joined:
    """A transport that sends what is written in one turn of the loop at once: the header of an answer with its body.

    To wake who reads costs the processor more than to write the header.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._waiting = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send this soon, or at once where much waits: whoever writes must feel that nobody reads."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting += data
        if len(self._waiting) > MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        data, self._waiting = self._waiting, b""
        if data:
            self._transport.write(data)

    def close(self) -> None:
        """Send what waits, and nothing more."""
        self.flush()
        self._transport.close()


class Protocol(H11Protocol):
    """HTTP/1.1 on one connection."""

    header_seconds = HEADER_SECONDS
    header_timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request has arrived that is not answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, that of the longest idle connection if there is no other."""
        # asyncio does this for sockets that say they are TCP, which those of `socket.create_server` do not.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        super().connection_made(cast("asyncio.Transport", Joined(transport, self.loop)))
        self.idle_since = self.loop.time()
        self._expect_header()
        if len(self.connections) > places(descriptors()):
            _longest_idle(self.connections, otherwise=self).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; what is no whole header yet has its time."""
        super().data_received(data)
        if not self.is_idle:
            self._stop_timer()
        elif self.header_timer is None:
            self._expect_header()

    def on_response_complete(self) -> None:
        """One answer is out."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def shutdown(self) -> None:
        """The server stops: a request that is here in full is answered; one that is not has a little time to arrive."""
        super().shutdown()
        if not self.is_idle and self.scope["path"].endswith(ENDLESS):
            self._close()
        elif not self.is_idle and self.cycle.more_body:
            self.loop.call_later(LAST_SECONDS, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        super().connection_lost(exc)

    def _expect_header(self) -> None:
        self.header_timer = self.loop.call_later(self.header_seconds, self._close)

    def _stop_timer(self) -> None:
        if self.header_timer is not None:
            self.header_timer.cancel()
            self.header_timer = None

    def _close(self) -> None:
        self.transport.abort()


def _longest_idle(connections: Iterable[Any], *, otherwise: Protocol) -> Protocol:
    idle = [one for one in connections if isinstance(one, Protocol) and one.is_idle]
    return min(idle, key=lambda one: one.idle_since, default=otherwise)
