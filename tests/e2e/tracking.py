"""A real server process on a free loopback port, and clients that keep everything inside the test's folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests import warm

SERVE = "from kag.cli.serve import app; app()"
ROOT = Path(__file__).parents[2]
WANDB = "from tests.e2e.hurried import main; main()"
"""The command of the client, whose agents ask often and whose trials are copies."""
BOTH = ("sqlite", "postgresql")
"""Kinds of database, for the few tests that run on both: what single operations do is shown by tests/server."""
PATIENCE = {"WANDB__SERVICE_WAIT": "300", "WANDB_INIT_TIMEOUT": "300"}
"""A client gives up after half a minute in which its own service did not start: on a busy machine that is soon."""
HURRY = {"WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.5"}
"""A client else sends rows every 15 s while it logs."""


def until(condition: Callable[[], Any], *, seconds: float = 300.0, what: str = "the condition") -> Any:
    """Poll until something holds; its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true in {seconds:g} s")


def family(number: int) -> list[int]:
    """A process and all that descend from it, parents first."""
    path = Path(f"/proc/{number}/task/{number}/children")
    children = [int(word) for word in path.read_text().split()] if path.exists() else []
    return [number, *(one for child in children for one in family(child))]


def last_json(printed: str) -> Any:
    """The last line of an output that is JSON, or None if there is none."""
    lines = [line for line in printed.splitlines() if line.startswith(("{", "["))]
    return json.loads(lines[-1]) if lines else None


class Logged:
    """A command whose output goes to a file. It leads a session of its own; one of Python is a copy (`tests.warm`)."""

    def __init__(self, words: Sequence[str], log: Path, folder: Path, env: Mapping[str, str]) -> None:
        self.log = log
        with log.open("w") as output:
            self._process = warm.start(words, cwd=folder, env=env, output=output)
        self.pid = self._process.pid
        self.poll, self.wait, self.send_signal = (
            self._process.poll,
            self._process.wait,
            self._process.send_signal,
        )

    @property
    def returncode(self) -> int | None:
        """Its exit code, as far as that has been asked for."""
        return self._process.returncode

    def ends(self, *, seconds: float = 600.0, code: int | None = 0) -> str:
        """Wait until it ends with an exit code (None: any); what it printed. One that hangs is made to say where."""
        try:
            found = self.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            tree = [(number, _words(number)) for number in family(self.pid)]
            # PYTHONFAULTHANDLER makes a process print the stack of each thread when it is aborted. Children first:
            # the parent would see their end and go on.
            self.send_signal(signal.SIGSTOP)
            for number, _ in reversed(tree):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGABRT)
            self.send_signal(signal.SIGCONT)
            self.wait(timeout=120)
            running = "\n".join(f"{number} {words}" for number, words in tree)
            raise AssertionError(f"no end in {seconds:g} s:\n{running}\n{self.log.read_text()}") from None
        printed = self.log.read_text()
        assert code in (None, found), f"exit code {found}:\n{printed}"
        return printed


def _words(number: int) -> str:
    """The command line of a process, if it is still there."""
    path = Path(f"/proc/{number}/cmdline")
    return path.read_text().replace("\0", " ") if path.exists() else "(gone)"


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TrackingServer:
    """`kag serve` in a process of its own."""

    def __init__(
        self, folder: Path, database: str, *options: str, authority: Path | None = None, key: str = ""
    ) -> None:
        self.folder = folder
        self.database = database
        self.options = options
        self.authority = authority
        self.port = free_port()
        self.url = f"{'http' if authority is None else 'https'}://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        self.key = key or self.command("key", "new", "tester")
        self.process: warm.Program | None = None

    def beside(self) -> TrackingServer:
        """Another server of the same database and the same files, at another port."""
        return TrackingServer(self.folder, self.database, *self.options, authority=self.authority, key=self.key)

    def command(self, *words: str) -> str:
        """Run `kag serve` with the given words; what it printed."""
        words = (*words, "--db", self.database)
        done = warm.run([sys.executable, "-c", SERVE, *words], cwd=ROOT, env=os.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ("--port", str(self.port), "--db", self.database, "--files", str(self.folder / "files"), *self.options)
        with self.log.open("ab") as log:
            self.process = warm.start([sys.executable, "-c", SERVE, *words], cwd=ROOT, env=os.environ, output=log)
        until(self.ready, what="the server")

    def ready(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5, context=self.trust()) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def trust(self) -> ssl.SSLContext | None:
        """What a client believes in: the authority of this server's certificate, if it has one."""
        return None if self.authority is None else ssl.create_default_context(cafile=self.authority)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=120)

    def environment(self, folder: Path) -> dict[str, str]:
        """What a client needs; nothing of it leaves the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        places = {
            name: str(folder / name.lower()) for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
        }
        # The latter is for what an older client asks in Python by itself.
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        trusted = {} if self.authority is None else dict.fromkeys(names, str(self.authority))
        return {
            **kept,
            **places,
            **trusted,
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_DIR": str(folder),
            "WANDB_ARTIFACT_DIR": str(folder / "artifacts"),
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            **PATIENCE,
            **HURRY,
            "PYTHONFAULTHANDLER": "1",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "xdg"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database directly: the rows of an SQL query."""
        engine = create_engine(self.database)
        with engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return rows

    def change(self, statement: str, **values: Any) -> None:
        """Change the database behind the server's back."""
        engine = create_engine(self.database)
        with engine.begin() as connection:
            connection.execute(text(statement), values)
        engine.dispose()

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the server directly."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60, context=self.trust()) as answer:
            found = json.load(answer)
        assert not found.get("errors"), found
        data: dict[str, Any] = found["data"]
        return data


class Client:
    """Runs scripts against a server as a user would, each in its own process."""

    until = staticmethod(until)

    def __init__(self, server: TrackingServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.env = server.environment(folder)
        self.started: list[Logged] = []

    def script(self, text: str, name: str = "script.py") -> Path:
        """Write a script."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *words: str, **env: str) -> Logged:
        """Start a command."""
        log = self.folder / f"output-{time.monotonic_ns()}.log"
        self.started.append(Logged(words, log, self.folder, {**self.env, **env}))
        return self.started[-1]

    @staticmethod
    def kill_agent(agent: Logged, *, with_child: bool) -> None:
        """Kill -9 an agent, with what it runs or leaving that an orphan."""
        for number in family(agent.pid) if with_child else [agent.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        agent.wait(timeout=120)

    def close(self) -> None:
        """End everything that was started here, with what it started in turn."""
        for process in self.started:
            for number in reversed(family(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            process.wait(timeout=120)

    def run(self, *words: str, code: int = 0, seconds: float = 300.0, **env: str) -> str:
        """Run a command to its end; its output."""
        full = {**self.env, **env}
        done = warm.run(words, cwd=self.folder, env=full, timeout=seconds)
        assert done.returncode == code, done.stdout + done.stderr + self.server.log.read_text()
        return done.stdout + done.stderr

    def python(self, text: str, *words: str, **env: str) -> Any:
        """Run a script that may print one line of JSON as its last; the value."""
        called = [sys.executable, str(self.script(text)), *words]
        done = warm.run(called, cwd=self.folder, env={**self.env, **env}, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr + self.server.log.read_text()
        return last_json(done.stdout)

    def wandb(self, *words: str, seconds: float = 300.0, **env: str) -> str:
        """Run the `wandb` command."""
        env = {"WANDB_SILENT": "false", **env}
        return self.run(sys.executable, "-m", "wandb", *words, code=0, seconds=seconds, **env)

    def sweep(self, text: str, project: str) -> str:
        """Make a sweep with `wandb sweep`; its id."""
        path = self.folder / "sweep.yaml"
        path.write_text(textwrap.dedent(text))
        output = self.wandb("sweep", "--project", project, str(path))
        word = next(line for line in output.splitlines() if "wandb agent" in line).split()[-1]
        return word.rsplit("/", 1)[-1]

    def agent(self, sweep: str, project: str, *words: str, **env: str) -> Logged:
        """Start `wandb agent`, in a hurry."""
        path = f"kag/{project}/{sweep}"
        env = {"WANDB_SILENT": "false", "WANDB_AGENT_DISABLE_FLAPPING": "true", **env}
        return self.start(sys.executable, "-c", WANDB, "agent", *words, path, **env)
