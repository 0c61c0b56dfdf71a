"""An embedded server and its users: one server for a folder, whoever comes, goes or is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from kag.errors import UserError
from kag.server import embedded_folder
from kag.server.embedded import embedded_server
from kag.server.embedded_folder import ServerFolder
from kag.server.locks import at_once, is_held, together
from kag.server.runs import ensure_project
from kag.server.tables import runs
from tests.e2e.tracking import ROOT, until

USER = """
import sys, time
from pathlib import Path
from kag.server.embedded import embedded_server
with embedded_server(Path(sys.argv[1]), now=time.time()) as server:
    print(server.url, server.key, server.folder.address().pid, flush=True)
    sys.stdin.read()
print("left", flush=True)
"""


class User:
    """A process that uses the server of a folder until it is told to leave."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"}
        words = [sys.executable, "-c", USER, str(folder)]
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def said(self) -> list[str]:
        """Its next line: address, key and process of the server that it has found."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def leave(self) -> None:
        """End it as it ends by itself."""
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0


@pytest.fixture
def user(tmp_path: Path) -> Iterator[Callable[[], User]]:
    """Makes users of a folder that is not there at first."""
    made: list[User] = []

    def make() -> User:
        made.append(User(tmp_path / "a" / ".server"))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.communicate()


def gone(pid: str) -> bool:
    """Whether a process has ended; one that nobody has waited for has."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def log_long_ago(folder: ServerFolder) -> None:
    """A run that was killed an hour ago."""
    with closing(folder.store()) as store, store.write() as connection:
        project = ensure_project(connection, "kag", "p", now=0.0)["id"]
        texts = dict.fromkeys(("config", "summary", "history_keys"), "{}")
        row = {"project_id": project, "name": "first", "display_name": "first", **texts, "tags": "[]", "user": "me"}
        times = dict.fromkeys(("created_at", "heartbeat_at"), time.time() - 3600)
        connection.execute(runs.insert().values(**row, state="running", should_stop=False, restarted=0, **times))


def state(url: str, key: str) -> str:
    """State of that run as a client sees it."""
    query = '{project(name: "p", entityName: "kag") {run(name: "first") {state}}}'
    headers = {"Authorization": f"Bearer {key}"}
    answer = httpx.post(f"{url}/graphql", json={"query": query}, headers=headers, trust_env=False)
    return str(answer.json()["data"]["project"]["run"]["state"])


@pytest.mark.slow(15, "a server without an owner lives as long as its users, whatever of them is killed")
def test_users_share_one_server_which_outlives_its_starter_and_ends_with_the_last(
    user: Callable[[], User], tmp_path: Path
) -> None:
    folder = ServerFolder(tmp_path / "a" / ".server")
    first, second = user(), user()
    url, key, server = first.said()
    assert second.said() == [url, key, server], "both came to an empty folder at the same moment"
    first.leave()
    assert not gone(server)
    os.kill(int(server), signal.SIGKILL)
    until(lambda: gone(server), what="the end of the server")
    log_long_ago(folder)
    third = user()
    assert third.said()[:2] == [url, key], "addresses of pages stay right"
    assert state(url, key) == "crashed", "whoever was silent while it was down is shown so at once"
    second.leave()
    assert is_held(folder.serving)
    third.process.kill()
    until(lambda: not is_held(folder.serving), what="the end of a server that nobody uses")
    assert folder.path.stat().st_mode & 0o077 == 0
    assert folder.log.read_text() == ""


def test_a_server_on_another_machine_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that several machines see."""
    folder = ServerFolder(tmp_path / ".server")
    folder.make()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(embedded_folder.socket, "gethostname", lambda: "node-7")
        folder.announce(4000)
    serving = at_once(folder.serving)
    assert serving is not None
    with pytest.raises(UserError, match="runs on node-7") as caught, embedded_server(folder.path, now=0.0):
        pytest.fail("it was used")
    assert "--runs" in str(caught.value)
    os.close(serving)
    assert not is_held(folder.users), "whoever is refused uses nothing"


def test_a_lock_goes_with_the_last_process_that_has_it(tmp_path: Path) -> None:
    """A program keeps the server that its killed `kag track` has started."""
    users = together(tmp_path / "users")
    words = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    program = subprocess.Popen(words, stdin=subprocess.PIPE, pass_fds=[users])
    os.close(users)
    assert is_held(tmp_path / "users")
    program.communicate()
    assert not is_held(tmp_path / "users")


def test_a_key_that_its_database_does_not_know_is_made_anew(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / ".server")
    folder.make()
    key = folder.key(now=1.0)
    assert folder.key(now=2.0) == key
    for file in folder.path.glob("tracking.db*"):
        file.unlink()
    assert folder.key(now=3.0) != key
    assert (folder.path / "key").stat().st_mode & 0o077 == 0


def test_the_address_names_machine_process_and_port(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path)
    assert (folder.address(), folder.forget()) == (None, 0)
    folder.announce(4000)
    known: dict[str, Any] = json.loads((tmp_path / "address.json").read_text())
    assert known == {"host": socket.gethostname(), "pid": os.getpid(), "port": 4000}
    assert (folder.forget(), folder.address()) == (4000, None)
