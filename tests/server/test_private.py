"""What the server keeps is its user's alone, and a link names nothing else, whoever made it."""

from __future__ import annotations

import os
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kag.server.app import make_app
from kag.server.embedded_folder import ServerFolder
from kag.server.faults import Fault
from kag.server.keys import signing_secret
from kag.server.links import token_of
from kag.server.private import private_folder
from kag.server.store import Store
from kag.server.tables import blobs
from tests.server.conftest import Site
from tests.server.test_security import upload_link


@pytest.fixture(autouse=True)
def _open_umask() -> Any:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def site(own_site: Site) -> Site:
    """With a database that it has made itself."""
    return own_site


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_file_of_a_server_is_closed_to_others(site: Site) -> None:
    assert site.http.put(upload_link(site, "a.txt"), content=b"secret").status_code == 200
    paths = [*site.folder.glob("tracking.db*"), site.settings.files.folder, *site.settings.files.folder.rglob("*")]
    assert len(paths) == 6, "database, log and index; the folder of files, one inside, and one file"
    assert {path.name: rights(path) & 0o077 for path in paths} == {path.name: 0 for path in paths}


def test_what_stood_open_is_closed_when_a_server_opens_it(site: Site, tmp_path: Path) -> None:
    site.run()
    paths = [*tmp_path.glob("tracking.db*"), site.settings.files.folder]
    for path in paths:
        path.chmod(0o777)
    with closing(Store(f"sqlite:///{tmp_path / 'tracking.db'}")) as store:
        make_app(store, site.settings)
    assert [rights(path) & 0o077 for path in paths if path.exists()] == [0] * len(paths)


def test_the_folder_of_an_embedded_server_is_closed_and_so_is_all_in_it(tmp_path: Path) -> None:
    folder = ServerFolder(tmp_path / ".server")
    folder.make()
    folder.key(now=1.0)
    folder.announce(1)
    for path in folder.path.iterdir():
        path.chmod(0o644)
    folder.path.chmod(0o755)
    folder.make()
    folder.key(now=2.0)
    opened = [path.name for path in folder.path.iterdir() if rights(path) & 0o077 and path.name != ".gitignore"]
    assert (opened, rights(folder.path)) == ([], 0o700)
    assert {"tracking.db", "key", "address.json", "server.log"} <= {path.name for path in folder.path.iterdir()}


def test_the_folder_of_a_database_that_is_there_already_is_somebody_elses(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Store(f"sqlite:///{tmp_path / 'tracking.db'}").close()
    assert rights(tmp_path) == 0o755
    assert rights(tmp_path / "tracking.db") == 0o600


def test_folders_are_made_closed(tmp_path: Path) -> None:
    private_folder(tmp_path / "a" / "files")
    assert rights(tmp_path / "a" / "files") == 0o700


@pytest.mark.parametrize("blob", ["../../../etc/passwd", "/etc/passwd", "aa/../../a.db", "a" * 31 + "/", "", "A" * 32])
def test_a_forged_link_leads_nowhere_even_with_the_secret(site: Site, blob: str) -> None:
    """Nor does one from a database in which somebody has written."""
    assert site.http.put(upload_link(site, "a.txt"), content=b"x").status_code == 200
    with site.store.write() as connection:
        connection.execute(blobs.update().values(path=blob))
        secret = signing_secret(connection)
    claims: list[dict[str, Any]] = [{"blob": blob}, {"to": "file", "id": 1}, {"to": "run", "id": 1}, {"to": "blobs"}]
    for claim in claims:
        token = token_of(secret, {"do": "get", **claim, "name": "x", "by": "tester"}, until=site.now + 100)
        assert site.http.get(f"/storage/{token}/x").status_code in (403, 404)
    with pytest.raises(Fault, match="no file of this server"):
        site.settings.files.place(blob)
