"""The application in this process, with a clock that tests set."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from kag.server.app import make_app
from kag.server.blob_folder import BlobFolder
from kag.server.blobs import Blobs, blobs_at
from kag.server.context import Settings
from kag.server.keys import new_key
from kag.server.store import Store
from kag.sweep import Limits
from tests.server.artifact_log import Log

T = TypeVar("T")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of files hold wherever those lie."""
    if "file_place" in metafunc.fixturenames and metafunc.definition.get_closest_marker("everywhere"):
        metafunc.parametrize("file_place", ["folder", "s3"], indirect=True)


class Verbs(ABC):
    """Requests by their methods."""

    @abstractmethod
    def request(self, method: str, url: str, **words: Any) -> httpx.Response:
        """One request."""

    def get(self, url: str, **words: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", url, **words)

    def post(self, url: str, **words: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", url, **words)

    def put(self, url: str, **words: Any) -> httpx.Response:
        """PUT."""
        return self.request("PUT", url, **words)


class Http(Verbs):
    """Requests to an application, one after another, on an event loop of its own.

    The loop runs in a thread as long as there are requests: a loop that stops takes its worker threads with it.
    """

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        self._open = ExitStack()
        self._loop = self._open.enter_context(start_blocking_portal())
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)
        self.headers = self.client.headers

    def request(self, method: str, url: str, **words: Any) -> httpx.Response:
        """One request; an iterator as content is sent piece by piece."""
        content = words.get("content")
        if content is not None and not isinstance(content, (str, bytes)):
            words["content"] = self.pieces(content)
        return self.run(self.client.request(method, url, **words))

    def run(self, asked: Awaitable[T]) -> T:
        """What comes of it on the loop."""

        async def awaited() -> T:
            return await asked

        return self._loop.call(awaited)

    @staticmethod
    async def pieces(content: Any) -> AsyncIterator[bytes]:
        """The pieces of a body."""
        for piece in content:
            yield piece

    def close(self) -> None:
        """Let go of client and loop."""
        self.run(self.client.aclose())
        self._open.close()


class Site:
    """An application, a key for it, and shorthands for requests."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str = "",
        store: Store | None = None,
        key: str = "",
        since: float | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.since = since
        self.now = 1_000_000.0
        self.store = store or Store(url or f"sqlite:///{folder / 'tracking.db'}")
        self.key = key
        if not key:
            with self.store.write() as connection:
                self.key = new_key(connection, "tester", now=self.now)
        words = {"strict": True, "limits": Limits(lease=60), "healthy_within": 600.0}
        words |= {"max_body": 200_000, "max_upload": 300_000}
        self.settings = Settings(**{"files": BlobFolder(folder / "files"), **words, **settings})
        with ExitStack() as undo:
            undo.callback(self.store.close)
            self.restart()
            undo.pop_all()

    def restart(self) -> None:
        """Begin anew on the same database."""
        self.app = make_app(self.store, self.settings, clock=lambda: self.now, since=self.since)
        if hasattr(self, "http"):
            self.http.close()
        self.http = Http(self.app, {"Authorization": f"Bearer {self.key}"})

    def post(self, query: str, **variables: Any) -> Any:
        """A GraphQL request; the HTTP answer."""
        return self.http.post("/graphql", json={"query": query, "variables": variables, "operationName": ""})

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """A GraphQL request that must succeed; its data."""
        answer = self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def run(self, name: str = "first", project: str = "p", **words: Any) -> dict[str, Any]:
        """Make or enter a run."""
        query = """mutation($input: UpsertBucketInput!) { upsertBucket(input: $input) {
          bucket { id name historyLineCount } inserted } }"""
        given = {"name": name, "modelName": project, **words}
        found: dict[str, Any] = self.ask(query, input=given)["upsertBucket"]
        return found

    def stream(self, body: Any, name: str = "first", project: str = "p") -> Any:
        """A file_stream request; the HTTP answer."""
        return self.http.post(f"/files/kag/{project}/{name}/file_stream", json=body)

    def log(self, offset: int, rows: list[dict[str, Any]], name: str = "first", **words: Any) -> dict[str, Any]:
        """Log history rows; what the client is told."""
        content = [json.dumps(row) for row in rows]
        answer = self.stream({"files": {"wandb-history.jsonl": {"offset": offset, "content": content}}, **words}, name)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def history(self, name: str = "first") -> list[dict[str, Any]]:
        """All rows of a run."""
        query = 'query($n: String!){project(name:"p"){run(name:$n){history(minStep:0,maxStep:100000,samples:100000)}}}'
        return [json.loads(line) for line in self.ask(query, n=name)["project"]["run"]["history"]]

    def state(self, name: str = "first") -> str:
        """State of a run."""
        query = 'query($n: String!){project(name:"p"){run(name:$n){state}}}'
        return str(self.ask(query, n=name)["project"]["run"]["state"])


class Kept:
    """One store for many tests, each of which finds an empty database: what its statements mean is worked out once.

    Args:
        folder: where its file lies.
    """

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder / 'tracking.db'}")
        self.store.close()
        self.file = folder / "tracking.db"
        self.empty = shutil.copy(self.file, folder / "empty.db")

    def fresh(self) -> Store:
        """The store, on a file that nobody has written to."""
        self.store.close()
        for path in self.file.parent.glob("tracking.db*"):
            path.unlink()
        shutil.copy(self.empty, self.file)
        return self.store


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The store of the tests of a worker."""
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def file_place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """Where files lie: in a folder, and for tests that are marked `everywhere`, in a bucket as well."""
    if getattr(request, "param", "folder") == "folder":
        return BlobFolder(tmp_path / "files")
    s3 = request.getfixturevalue("s3")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return blobs_at(s3.place())


@pytest.fixture
def own_site(tmp_path: Path, file_place: Blobs) -> Iterator[Site]:
    """A fresh application whose database is a file of its own beside its files."""
    made = Site(tmp_path, files=file_place)
    yield made
    made.http.close()
    made.store.close()


@pytest.fixture
def site(tmp_path: Path, kept: Kept, file_place: Blobs) -> Iterator[Site]:
    """A fresh application."""
    made = Site(tmp_path, store=kept.fresh(), files=file_place)
    yield made
    made.http.close()
    made.store.close()


@pytest.fixture
def log(site: Site) -> Log:
    """Logs artifacts to a fresh application, with the documents that clients send."""
    return Log(site)
