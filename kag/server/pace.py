"""A request arrives and an answer is taken at some pace, or the connection is let go: each one holds a place."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kag.server.faults import Fault


@dataclass(frozen=True)
class Pace:
    """The least that is waited for."""

    patience: float = 30.0
    """Seconds without a byte, and seconds that a body may take besides those for its bytes."""
    slowest: float = 1024.0
    """Bytes of a body a second."""


class Paced:
    """An application that no client can keep waiting.

    Args:
        app: the application.
        pace: what is waited for.
    """

    def __init__(self, app: ASGIApp, pace: Pace) -> None:
        self.app = app
        self.pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Fault: its body comes too slowly.
            ClientDisconnect: its answer is not taken.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        now = asyncio.get_running_loop().time
        began, got, arrived = now(), 0, False

        async def receive_in_time() -> Message:
            nonlocal got, arrived
            if arrived:
                return await receive()
            left = began + self.pace.patience + got / self.pace.slowest - now()
            try:
                async with asyncio.timeout(min(left, self.pace.patience)):
                    message = await receive()
            except TimeoutError as error:
                raise Fault("the body of this request came too slowly", status=408) from error
            got += len(message.get("body", b""))
            arrived = not message.get("more_body", False)
            return message

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self.pace.patience):
                    await send(message)
            except TimeoutError as error:
                raise ClientDisconnect from error

        await self.app(scope, receive_in_time, send_in_time)
