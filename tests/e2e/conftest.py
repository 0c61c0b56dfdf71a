"""Servers on both databases, and clients of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from kag.server.embedded import embedded_server
from tests.bucket import S3
from tests.copied import begin
from tests.e2e.five_runs import PROGRAMS, FiveRuns, make_five_runs
from tests.e2e.tracking import Client, TrackingServer
from tests.e2e.wandb_versions import NotFetched, packages_of


@pytest.fixture(scope="session", autouse=True)
def _embedded_servers_are_copies() -> Iterator[None]:
    """Of the process that all tests share (`tests.warm`); how one starts from nothing is for tests/server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kag.server.embedded.Popen", partial(begin, template=None))
        yield


@pytest.fixture(scope="session")
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Make an empty database of a kind; its URL."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('database') / 'tracking.db'}"
        return str(request.getfixturevalue("new_postgres")())

    return make


@pytest.fixture(scope="session")
def make_server(
    tmp_path_factory: pytest.TempPathFactory, database_url: Callable[[str], str]
) -> Iterator[Callable[..., TrackingServer]]:
    """Start a server of one's own: `make_server("sqlite", "--strict")`."""
    made: list[TrackingServer] = []

    def make(kind: str = "sqlite", *options: str, authority: Path | None = None) -> TrackingServer:
        folder = tmp_path_factory.mktemp("server")
        server = TrackingServer(folder, database_url(kind), *options, authority=authority)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.kill(signal.SIGTERM)


@pytest.fixture(scope="session")
def server(make_server: Callable[..., TrackingServer]) -> TrackingServer:
    """The server that tests share: strict, so an unknown field fails them; each test has a project of its own."""
    return make_server("sqlite", "--strict", "--lease", "15")


@pytest.fixture(scope="session")
def server_with_a_bucket(s3: S3, make_server: Callable[..., TrackingServer]) -> TrackingServer:
    """The server that tests of files share besides: its rows lie on PostgreSQL, its files in a bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        return make_server("postgresql", "--strict", "--files", s3.place())


def used(server: TrackingServer, folder: Path) -> Iterator[Client]:
    """A client of a server. Nothing that its commands did may have been unknown to the server."""
    made = Client(server, folder)
    yield made
    made.close()
    assert "unknown GraphQL field" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def client(server: TrackingServer, tmp_path: Path) -> Iterator[Client]:
    """A client of the shared server."""
    yield from used(server, tmp_path)


@pytest.fixture(params=["folder", "bucket"])
def file_client(request: pytest.FixtureRequest, server: TrackingServer, tmp_path: Path) -> Iterator[Client]:
    """A client of a server on SQLite whose files lie in a folder, and of one on PostgreSQL with a bucket."""
    with_bucket = request.param == "bucket"
    yield from used(request.getfixturevalue("server_with_a_bucket") if with_bucket else server, tmp_path)


@pytest.fixture
def make_client(make_server: Callable[..., TrackingServer], tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """A client with a server of its own, which the test may kill."""
    made: list[Client] = []

    def make(kind: str, *options: str, authority: Path | None = None) -> Client:
        made.append(Client(make_server(kind, *options, authority=authority), tmp_path))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project name of the test's own."""
    return f"{request.node.originalname}"[:100]


@pytest.fixture(scope="session")
def five_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, FiveRuns]]:
    """Program -> its five runs; each in a project of its own on one server, which is there as long as the session."""
    try:
        packages = packages_of(PROGRAMS.parent / "requirements.txt")
    except NotFetched as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("five")
    names = sorted(path.stem for path in PROGRAMS.glob("*.py"))
    with embedded_server(folder / "server", now=time.time()) as server, ThreadPoolExecutor(os.cpu_count()) as pool:
        make = partial(make_five_runs, server=server, packages=packages)
        yield dict(zip(names, pool.map(make, names, [folder / name for name in names]), strict=True))
