"""The process of an embedded server: `python -m kag.server.embedded_process FOLDER`. It ends with its last user."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from kag.server.app import make_app
from kag.server.context import Settings
from kag.server.embedded_folder import ServerFolder, at_once
from kag.server.serve import serve_until

WATCH_SECONDS = 1.0
"""A user that is killed takes no leave: so often the server looks whether anybody is left."""


def main(path: Path) -> None:
    """Serve a folder on loopback until nobody uses it, or until SIGTERM."""
    folder = ServerFolder(path)
    if at_once(folder.serving) is None:
        sys.exit("another process serves this folder")
    listening = _listening(folder.forget())
    app = make_app(folder.store(), Settings(files=folder.files))
    folder.announce(listening.getsockname()[1])
    serve_until(app, listening, lambda: _unused(folder.users))


def _listening(port: int) -> socket.socket:
    """At the same port as last time if it is free, so that the addresses of pages stay right; else at any."""
    try:
        return _bound(port)
    except OSError:
        return _bound(0)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(("127.0.0.1", port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def _unused(users: Path) -> None:
    """Wait until nobody uses the server. The lock is kept: who comes now waits for the end of this process."""
    while at_once(users) is None:
        time.sleep(WATCH_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
