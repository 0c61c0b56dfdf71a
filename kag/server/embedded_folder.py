"""The folder of an embedded server: what lies where, and the locks by which its users and the server agree.

A user is a process that needs the server; it holds `users` together with the others. The server holds `serving` while
it runs, and ends as soon as it gets `users` for itself. Whoever comes or goes holds `door` meanwhile, alone. The system
lets go of a lock when the last process with it dies, however it dies: none can be stale.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from kag.server.keys import key_of, new_key
from kag.server.private import FILE, close, opener, private_file, private_folder
from kag.server.store import Store
from kag.track.atomic import require_place, storing, write_atomically


class Address(NamedTuple):
    """Where a server is, or was."""

    host: str
    """Name of the machine."""
    pid: int
    port: int

    @property
    def url(self) -> str:
        """For clients on that machine; nobody else reaches it."""
        return f"http://127.0.0.1:{self.port}"


class ServerFolder:
    """Paths and locks of an embedded server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "tracking.db"
        self.files = path / "files"
        self.log = path / "server.log"
        self.door, self.users, self.serving = (path / f"{name}.lock" for name in ("door", "users", "serving"))
        self._address = path / "address.json"
        self._key = path / "key"

    def make(self) -> None:
        """Make the folder, readable by its owner alone: it holds a key. What a server keeps is no code for git.

        Raises:
            UserError: there can be no such folder.
            StorageError: the disk takes nothing.
        """
        require_place(self.path)
        with storing(self.path):
            private_folder(self.path)
            private_file(self.log)
            for kept in filter(Path.exists, (self._key, self._address)):
                close(kept)
            (self.path / ".gitignore").write_text("*\n", encoding="utf-8")

    def store(self, tell: Callable[[str], None] | None = None) -> Store:
        """The database; whoever serves it migrates an older one, and `tell` is told so."""
        return Store(f"sqlite:///{self.database.resolve()}", tell=tell)

    def address(self) -> Address | None:
        """Where the server is, or was last."""
        if not self._address.exists():
            return None
        return Address(**json.loads(self._address.read_text(encoding="utf-8")))

    def announce(self, port: int) -> None:
        """This process serves at a port from now on."""
        address = Address(socket.gethostname(), os.getpid(), port)
        write_atomically(self._address, json.dumps(address._asdict()), mode=FILE)

    def forget(self) -> int:
        """No server is announced from now on; the port of the last one, or 0."""
        known = self.address()
        self._address.unlink(missing_ok=True)
        return 0 if known is None else known.port

    def key(self, *, now: float) -> str:
        """The API key of this folder; another one where the database does not know the one that is kept."""
        kept = self._key.read_text(encoding="utf-8").strip() if self._key.exists() else ""
        with closing(self.store()) as store, store.write() as connection:
            if key_of(connection, kept, now=now) is not None:
                return kept
            key = new_key(connection, f"local-{int(now)}", now=now)
        self._key.unlink(missing_ok=True)
        with open(self._key, "x", encoding="utf-8", opener=opener) as file:
            file.write(key)
        return key
