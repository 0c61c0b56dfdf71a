"""The access log: one line of JSON a request, and an id by which its answer and the server's own log name it.

What opens a door is in no line: of a request's headers only its id and the name of its program are written, of its
address no query, and links, tickets and keys are left out wherever they stand.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kag.errors import UserError
from kag.server.private import opener, private_file
from kag.text import printable

Write = Callable[[str], None]
"""Takes one line, without its end."""

log = logging.getLogger("kag.server")

STANDARD_OUTPUT = "-"
MOST = 500
"""Characters of a text of the sender's."""

_ENTRY = "kag.request"
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
"""What proxies send: a UUID, or so many hexadecimal digits."""
_SECRET = re.compile(
    r"(?<=/storage/)[^/]+|(?<=/login/once/)[^/]+"  # by their place, damaged ones too
    r"|[0-9a-f]{40,}|(?<![\w-])[\w-]{20,}+\.[\w-]{43}",  # a key or a ticket, and a signed link, in any place
    re.IGNORECASE,
)


@dataclass
class Entry:
    """What is known of a request besides what it says itself."""

    id: str
    user: str | None = None
    """Name of the key that was used."""
    operation: str | None = None
    """Name of the GraphQL operation."""


def entry_of(scope: Scope) -> Entry:
    """The entry of a request, for whoever learns more about it, or writes about it."""
    entry: Entry = scope[_ENTRY]
    return entry


def shown(text: str) -> str:
    """A text of the sender's as it may stand in a log."""
    return printable(_SECRET.sub("***", text))[:MOST]


def request_id(headers: Headers) -> str:
    """The id that a proxy gave a request, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) and not _SECRET.search(given) else uuid.uuid4().hex


class Logged:
    """An application whose answers carry the id of their request, with a line about each.

    Args:
        app: the application.
        write: takes the lines; None for no log.
        clock: seconds since the epoch.
    """

    def __init__(self, app: ASGIApp, write: Write | None, clock: Callable[[], float]) -> None:
        self.app = app
        self.write = write
        self.clock = clock
        self.failing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        entry = Entry(request_id(headers))
        at, began = self.clock(), time.perf_counter()
        status: int | None = None
        sent = 0

        async def noting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", entry.id.encode())]}
            await send(message)
            sent += len(message.get("body", b""))

        try:
            await self.app({**scope, _ENTRY: entry}, receive, noting)
        finally:
            self._note(
                {
                    "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
                    "request_id": entry.id,
                    "method": shown(scope["method"]),
                    "path": shown(scope["path"]),
                    "status": status,
                    "bytes": sent,
                    "seconds": round(time.perf_counter() - began, 6),
                    "user": entry.user,
                    "client": shown(scope["client"][0]) if scope.get("client") else None,
                    "agent": shown(headers.get("user-agent", "")),
                    "operation": shown(entry.operation) if entry.operation else None,
                }
            )

    def _note(self, line: Mapping[str, object]) -> None:
        if self.write is None:
            return
        try:
            self.write(json.dumps(line))
        except (OSError, UserError) as error:
            if not self.failing:
                log.error("the access log cannot be written, requests are served without it: %s", error)
            self.failing = True
        else:
            self.failing = False


class LogFile:
    """A log that may be moved away at any time, by logrotate for one: the next line begins a new file.

    Args:
        path: the file; it is readable by its owner alone.

    Raises:
        UserError: this is a folder or a device, or others can read it and it is not ours.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise UserError("an access log is a file", where=str(path), nearest=f"{STANDARD_OUTPUT}: standard output")
        self.descriptor = self._opened()

    def _opened(self) -> int:
        private_file(self.path)
        return opener(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, line: str) -> None:
        """Append a line in one call of the system, so that several processes of one file mix none.

        Raises:
            UserError: as when it was opened.
            OSError: there is no room, or it cannot be opened again.
        """
        if not self._is_in_place():
            fresh = self._opened()
            self.close()
            self.descriptor = fresh
        os.write(self.descriptor, f"{line}\n".encode())

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


@contextmanager
def lines_to(where: str) -> Iterator[Write | None]:
    """What writes an access log while the block runs: to a file, to `-`, or, for an empty word, to nothing.

    Raises:
        UserError: the file cannot be opened.
    """
    if where in ("", STANDARD_OUTPUT):
        yield partial(print, flush=True) if where else None
        return
    try:
        file = LogFile(Path(where))
    except OSError as error:
        raise UserError(f"cannot write an access log: {error.strerror}", where=where) from error
    with closing(file):
        yield file.write
