"""The process of an embedded server: `python -m kag.server.embedded_process FOLDER`. It ends with its last user."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from kag.errors import UserError
from kag.server.app import make_app
from kag.server.blob_folder import BlobFolder
from kag.server.context import Settings
from kag.server.embedded_folder import ServerFolder
from kag.server.locks import at_once
from kag.server.serve import listening, serve_until

LOOPBACK = "127.0.0.1"
WATCH_SECONDS = 1.0
"""A user that is killed takes no leave: so often the server looks whether anybody is left."""


def main(path: Path) -> None:
    """Serve a folder on loopback until nobody uses it, or until SIGTERM."""
    folder = ServerFolder(path)
    if at_once(folder.serving) is None:
        sys.exit("another process serves this folder")
    taken = _listening(folder.forget())
    # It serves until its last client has gone: nobody had anything to report while it was down.
    app = make_app(folder.store(tell=print), Settings(files=BlobFolder(folder.files)), since=0.0)
    folder.announce(taken.getsockname()[1])
    serve_until(app, taken, lambda: _unused(folder.users))


def _listening(port: int) -> socket.socket:
    """At the same port as last time if it is free, so that the addresses of pages stay right; else at any."""
    try:
        return listening(LOOPBACK, port)
    except UserError:
        return listening(LOOPBACK, 0)


def _unused(users: Path) -> None:
    """Wait until nobody uses the server. The lock is kept: who comes now waits for the end of this process."""
    while at_once(users) is None:
        time.sleep(WATCH_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
