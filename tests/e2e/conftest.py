"""A real server process on a free loopback port, and clients that keep everything inside the test's folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SERVE = "from kag.cli.serve import app; app()"
ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], Any], *, seconds: float = 120.0, what: str = "the condition") -> Any:
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


class TrackingServer:
    """`kag serve` in a process of its own."""

    def __init__(self, folder: Path, database: str, *options: str) -> None:
        self.folder = folder
        self.database = database
        self.options = options
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.key = self.command("key", "new", "tester")
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> str:
        """Run `kag serve` with the given words; what it printed."""
        words = (*words, "--db", self.database)
        done = subprocess.run(
            [sys.executable, "-c", SERVE, *words], capture_output=True, text=True, cwd=ROOT, check=True
        )
        return done.stdout.strip()

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = ("--port", str(self.port), "--db", self.database, "--files", str(self.folder / "files"), *self.options)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-c", SERVE, *words], stdout=log, stderr=log, cwd=ROOT)
        until(self.ready, what="the server")

    def ready(self) -> bool:
        """Whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(timeout=30)

    def environment(self, folder: Path) -> dict[str, str]:
        """What a client needs; nothing of it leaves the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        places = {
            name: str(folder / name.lower()) for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
        }
        return {
            **kept,
            **places,
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.key,
            "WANDB_DIR": str(folder),
            "WANDB_ARTIFACT_DIR": str(folder / "artifacts"),
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "xdg"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the server directly."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
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
        self.started: list[subprocess.Popen[str]] = []

    def script(self, text: str, name: str = "script.py") -> Path:
        """Write a script."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start a command; its output goes to a file."""
        log = (self.folder / f"output-{time.monotonic_ns()}.log").open("w")
        process = subprocess.Popen(
            words, cwd=self.folder, env={**self.env, **env}, stdout=log, stderr=log, text=True, start_new_session=True
        )
        log.close()
        process.log = Path(log.name)  # type: ignore[attr-defined]
        self.started.append(process)
        return process

    @staticmethod
    def kill_agent(agent: subprocess.Popen[str], *, with_child: bool) -> None:
        """Kill -9 an agent, with what it runs or leaving that an orphan."""
        for number in family(agent.pid) if with_child else [agent.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        agent.wait(timeout=30)

    def close(self) -> None:
        """End everything that was started here, with what it started in turn."""
        for process in self.started:
            for number in reversed(family(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            process.wait(timeout=30)

    def run(self, *words: str, code: int = 0, seconds: float = 120.0, **env: str) -> str:
        """Run a command to its end; its output."""
        done = subprocess.run(
            words, cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == code, done.stdout + done.stderr + self.server.log.read_text()
        return done.stdout + done.stderr

    def python(self, text: str, *words: str, **env: str) -> Any:
        """Run a script that may print one line of JSON as its last; the value."""
        done = subprocess.run(
            [sys.executable, str(self.script(text)), *words],
            cwd=self.folder,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr + self.server.log.read_text()
        lines = [line for line in done.stdout.splitlines() if line.startswith(("{", "["))]
        return json.loads(lines[-1]) if lines else None

    def wandb(self, *words: str, seconds: float = 120.0, **env: str) -> str:
        """Run the `wandb` command."""
        return self.run(sys.executable, "-m", "wandb", *words, seconds=seconds, **{"WANDB_SILENT": "false", **env})

    def sweep(self, text: str, project: str) -> str:
        """Make a sweep with `wandb sweep`; its id."""
        path = self.folder / "sweep.yaml"
        path.write_text(textwrap.dedent(text))
        output = self.wandb("sweep", "--project", project, str(path))
        word = next(line for line in output.splitlines() if "wandb agent" in line).split()[-1]
        return word.rsplit("/", 1)[-1]

    def agent(self, sweep: str, project: str, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start `wandb agent`."""
        path = f"kag/{project}/{sweep}"
        env = {"WANDB_SILENT": "false", "WANDB_AGENT_DISABLE_FLAPPING": "true", **env}
        return self.start(sys.executable, "-m", "wandb", "agent", *words, path, **env)


def _postgres_words(*words: str) -> list[str]:
    """PostgreSQL refuses to run as root: step down where a `postgres` account allows it."""
    if os.geteuid() != 0:
        return list(words)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a fresh PostgreSQL cluster on a Unix socket inside a temporary folder."""
    found = shutil.which("initdb") or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed here")
    tools = Path(found).resolve().parent
    folder = Path(
        subprocess.run(
            ["mktemp", "-d", "/tmp/kag-pg-XXXXXX"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    quiet = {"capture_output": True, "check": True, "cwd": "/tmp"}
    subprocess.run(_postgres_words(str(tools / "initdb"), "-D", str(data), "-A", "trust", "-U", "kag"), **quiet)  # type: ignore[call-overload]
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
    control = _postgres_words(str(tools / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w")
    subprocess.run([*control, "-o", options, "start"], check=True, cwd="/tmp", stdout=subprocess.DEVNULL)
    yield f"postgresql+psycopg://kag@/{{name}}?host={folder}"
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/tmp", stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)


def _new_database(url: str, name: str) -> str:
    from sqlalchemy import create_engine, text

    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return url.format(name=name)


@pytest.fixture(scope="session")
def make_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Callable[..., TrackingServer]]:
    """Start a server of one's own: `make_server("sqlite", "--strict")`."""
    made: list[TrackingServer] = []

    def make(kind: str = "sqlite", *options: str) -> TrackingServer:
        folder = tmp_path_factory.mktemp("server")
        if kind == "sqlite":
            database = f"sqlite:///{folder / 'tracking.db'}"
        else:
            database = _new_database(request.getfixturevalue("postgres"), f"kag{os.getpid()}_{len(made)}")
        server = TrackingServer(folder, database, *options)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.kill(signal.SIGTERM)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, make_server: Callable[..., TrackingServer]) -> TrackingServer:
    """The server that tests share: strict, so an unknown field fails them; each test has a project of its own."""
    return make_server(request.param, "--strict", "--lease", "15")


@pytest.fixture
def client(server: TrackingServer, tmp_path: Path) -> Iterator[Client]:
    """A client of the shared server. Nothing that its commands did may have been unknown to the server."""
    made = Client(server, tmp_path)
    yield made
    made.close()
    assert "unknown GraphQL field" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def make_client(make_server: Callable[..., TrackingServer], tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """A client with a server of its own, which the test may kill."""
    made: list[Client] = []

    def make(*options: str) -> Client:
        made.append(Client(make_server(*options), tmp_path))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project name of the test's own."""
    return f"{request.node.originalname}"[:100]
