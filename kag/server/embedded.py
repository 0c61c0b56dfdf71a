"""A server of one's own for `kag sweep`: started when no W&B is configured, with its key beside its database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kag.errors import KagError
from kag.server.keys import new_key
from kag.server.store import Store

START_SECONDS = 60.0
_SERVE = "from kag.cli.serve import app; app()"


@contextmanager
def embedded_server(folder: Path, *, now: float) -> Iterator[dict[str, str]]:
    """Serve on a free loopback port while the block runs; the environment for clients comes back.

    Args:
        folder: database, files, key and log are kept here, so that a later call continues.
        now: seconds since the epoch.

    Raises:
        KagError: the server does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The folder holds a key, and what a server keeps is no code.
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    database = f"sqlite:///{(folder / 'tracking.db').resolve()}"
    key = _kept_key(folder / "key", database, now)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-c", _SERVE, "--port", str(port), "--db", database, "--files", str(folder / "files")]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, folder / "server.log")
        yield {"WANDB_BASE_URL": url, "WANDB_API_KEY": key, "WANDB_MODE": "online"}
    finally:
        process.terminate()
        process.wait()


def _kept_key(path: Path, database: str, now: float) -> str:
    if path.exists():
        return path.read_text().strip()
    store = Store(database)
    with store.write() as connection:
        key = new_key(connection, f"sweep-{int(now)}", now=now)
    store.close()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w") as file:
        file.write(key)
    return key


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    raise KagError("the embedded server did not start", where=str(log), remedy="its log says why")
