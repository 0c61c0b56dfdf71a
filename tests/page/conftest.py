"""The page without a browser: an application in this process, and somebody who is logged in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.server.blob_folder import BlobFolder
from kag.server.store import Store
from tests.e2e.tracking import TrackingServer
from tests.page.foreign import add_foreign
from tests.page.synthetic import HOSTILE, add_runs, add_scored, add_script_run, add_shown_run
from tests.page.synthetic_sweep import add_sweep
from tests.server.conftest import Kept, Site

RUNS, FOREIGN, TRIALS = 1000, 200, 200
"""Runs of kag in the project `many`, runs of other programs in `foreign`, trials of the sweep `bigsweep` in `big`."""
SOME = 21
"""Runs of other programs in the project `some`, where each page is looked at."""
HUNDREDS = 260
"""Runs of kag in the project `hundreds`: more rows than a window has, and than the change log shows at first."""

HTML = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Visitor(Site):
    """A browser's side of an application: it takes cookies, follows nothing, and can fill in forms."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.client = dict(self.http.headers)

    def browse(self, path: str, **headers: str) -> Any:
        """Open a page as a browser does."""
        self.http.headers.pop("Authorization", None)
        return self.http.get(path, headers={**HTML, **headers})

    def fetch(self, path: str) -> Any:
        """Ask for values as a script of the page does."""
        self.http.headers.pop("Authorization", None)
        return self.http.get(path, headers={"Accept": "application/json", "Sec-Fetch-Mode": "cors"})

    def submit(self, path: str, fields: dict[str, str], **headers: str) -> Any:
        """Send a form."""
        self.http.headers.pop("Authorization", None)
        return self.http.request("POST", path, data=fields, headers={**HTML, **FORM, **headers})

    def as_client(self) -> None:
        """Go on as a client with its key, without cookies."""
        self.http.headers["Authorization"] = f"Bearer {self.key}"

    def log_in(self, key: str | None = None, after: str = "/") -> Any:
        """Fill in the form of the log-in; the answer to it."""
        token = token_of(self.browse("/login").text)
        return self.submit("/login", {"csrf": token, "key": self.key if key is None else key, "next": after})

    def cookies(self) -> dict[str, str]:
        """What the browser keeps."""
        return dict(self.http.client.cookies)


def token_of(page: str) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found, page
    return found[1]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """The store of the tests of a worker."""
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def visitor(tmp_path: Path, kept: Kept) -> Iterator[Visitor]:
    """Somebody who is not logged in yet."""
    made = Visitor(tmp_path, store=kept.fresh())
    yield made
    made.http.close()
    made.store.close()


@pytest.fixture
def reader(visitor: Visitor) -> Visitor:
    """Somebody who is logged in."""
    assert visitor.log_in().status_code == 303
    return visitor


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real server on which a whole group has worked for a year: what of all that they did is on one and the same."""
    folder = tmp_path_factory.mktemp("crowd")
    made: Any = TrackingServer(folder, f"sqlite:///{folder / 'tracking.db'}")
    store, files = Store(made.database), BlobFolder(folder / "files")
    add_runs(store, RUNS, epochs=6)
    add_foreign(store, files, FOREIGN)
    add_sweep(store, TRIALS, project="big", name="bigsweep")
    add_runs(store, 3, project="few", epochs=6)
    add_runs(store, HUNDREDS, project="hundreds", epochs=6)
    add_foreign(store, files, SOME, project="some")
    add_sweep(store, 12)
    add_scored(store, files, project="scored")
    add_shown_run(store, files, project="stored")
    add_runs(store, 3, project="harmed", epochs=6)
    add_script_run(store, 12, project="harmed", name="hostile", title=HOSTILE)
    store.close()
    made.start()
    yield made
    made.kill(15)
