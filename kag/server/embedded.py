"""A server of one's own, for whoever has configured none: the first user of its folder starts it, the others share it.

It ends with the last one. What it is asked to keep outlives it, and so does its port, as long as nobody takes that.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import NamedTuple

from sqlalchemy import select

from kag.errors import KagError, UserError
from kag.server.embedded_folder import Address, ServerFolder
from kag.server.faults import needed
from kag.server.interrupted import interrupt
from kag.server.keys import key_of
from kag.server.locks import alone, at_once, is_held, together
from kag.server.page.templates import path_of
from kag.server.page.tickets import new_ticket
from kag.server.store import all_rows
from kag.server.tables import projects, runs
from kag.sweep import Limits

START_SECONDS = 60.0
LOCAL = "127.0.0.1,localhost"


class Embedded(NamedTuple):
    """A running embedded server."""

    folder: ServerFolder
    url: str
    key: str
    users: int
    """Descriptor by which this process uses the server. A process that inherits it uses the server, too."""

    def environment(self, around: Mapping[str, str]) -> dict[str, str]:
        """Variables with which a client finds the server: nothing of it is written anywhere."""
        past = {name: f"{around[name]},{LOCAL}" if around.get(name) else LOCAL for name in ("NO_PROXY", "no_proxy")}
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": self.key, "WANDB_MODE": "online", **past}

    def wait(self) -> None:
        """Come back when the server has ended, whoever ended it."""
        with alone(self.folder.serving):
            pass

    def login_link(self, *, now: float) -> str:
        """A link that opens the page once, without a key."""
        with closing(self.folder.store()) as store, store.write() as connection:
            key = needed(key_of(connection, self.key, now=now), "the key of this folder opens nothing any more")
            return self.url + new_ticket(connection, key.name, now=now)

    def interrupt(self, names: Collection[str], *, now: float) -> None:
        """Give back the points of attempts of which every process is gone."""
        with closing(self.folder.store()) as store, store.write() as connection:
            interrupt(connection, names, now=now, limits=Limits())

    def logged_since(self, moment: float) -> list[tuple[str, str]]:
        """Address and state of every run that was heard of since then, the oldest first."""
        query = select(runs.c.name, runs.c.state, projects.c.entity, projects.c.name.label("project"))
        query = query.join(projects).where(runs.c.heartbeat_at >= moment).order_by(runs.c.created_at, runs.c.id)
        with closing(self.folder.store()) as store, store.read() as connection:
            found = all_rows(connection, query)
        return [(self.url + path_of(run["entity"], run["project"], "runs", run["name"]), run["state"]) for run in found]


@contextmanager
def embedded_server(path: Path, *, now: float) -> Iterator[Embedded]:
    """Use the server of a folder while the block runs.

    Args:
        path: database, files, key and log are kept here, so that a later call continues.
        now: seconds since the epoch.

    Raises:
        KagError: the server does not come up, or does not answer.
        UserError: it runs on another machine.
    """
    folder = ServerFolder(path)
    folder.make()
    with alone(folder.door), contextlib.ExitStack() as undo:
        users = together(folder.users)
        undo.callback(os.close, users)
        server, process = _running(folder) or _started(folder)
        key = folder.key(now=now)
        undo.pop_all()
    try:
        yield Embedded(folder, server.url, key, users)
    finally:
        if _leave(folder, users) and process is not None:
            process.wait()


Server = tuple[Address, Popen[bytes] | None]
"""Where it is, and its process if that is a child of this one."""


def _running(folder: ServerFolder) -> Server | None:
    """The server that serves a folder, once it answers; None if there is none."""
    if not is_held(folder.serving):
        return None
    address = folder.address()
    if address is not None and address.host != socket.gethostname():
        raise UserError(
            f"the server of this folder runs on {address.host}, and answers there alone",
            where=str(folder.path),
            remedy="work there, name another folder by --runs, or let `kag serve` serve both machines",
        )
    return _answering(folder, lambda: is_held(folder.serving)), None


def _started(folder: ServerFolder) -> Server:
    # -P: what lies in the working directory is the user's, and no module of the server.
    words = [sys.executable, "-P", "-m", "kag.server.embedded_process", str(folder.path.resolve())]
    with folder.log.open("ab") as log:
        process = Popen(words, stdin=DEVNULL, stdout=log, stderr=log, start_new_session=True)
    with contextlib.ExitStack() as undo:
        undo.callback(process.wait)
        undo.callback(process.kill)
        address = _answering(folder, lambda: process.poll() is None, pid=process.pid)
        undo.pop_all()
    return address, process


def _answering(folder: ServerFolder, alive: Callable[[], bool], pid: int | None = None) -> Address:
    """The server that a folder names, as soon as it answers; with a pid, the one that this process has started."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and alive():
        address = folder.address()
        if address is not None and pid in (None, address.pid) and _answers(address):
            return address
        time.sleep(0.1)
    raise KagError("the embedded server does not answer", where=str(folder.log), remedy="its log says why")


def _answers(address: Address) -> bool:
    """Whether a server is there; asked directly, whatever proxies the environment names."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{address.url}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _leave(folder: ServerFolder, users: int) -> bool:
    """Use it no longer. The last user ends it, and waits for its end; whether this one was the last."""
    with alone(folder.door):
        os.close(users)
        last = at_once(folder.users)
        if last is None:
            return False
        address = folder.address()
        if address is not None and is_held(folder.serving):
            with contextlib.suppress(ProcessLookupError):
                os.kill(address.pid, signal.SIGTERM)
        with alone(folder.serving):
            os.close(last)
        return True
