"""Backups taken while clients write, restored into either kind of database; what check finds and prune removes."""

from __future__ import annotations

import json
import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from kag.errors import UserError
from kag.server.backup import back_up, restore
from kag.server.blob_folder import LOCK, BlobFolder
from kag.server.check import check
from kag.server.files import attach
from kag.server.filestream import ingest
from kag.server.locks import alone
from kag.server.prune import prune
from kag.server.runs import run_by_path
from kag.server.store import Store, all_rows
from kag.server.tables import blobs, files, lines, metadata, runs
from tests.server.artifact_log import Log
from tests.server.conftest import Site

KINDS = ["sqlite", "postgresql"]
WRITERS = 16


def url_of(request: pytest.FixtureRequest, kind: str, folder: Path, name: str) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / name}.db"
    return str(request.getfixturevalue("new_postgres")())


def rows_of(store: Store) -> dict[str, list[Any]]:
    with store.snapshot() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).all())) for table in metadata.sorted_tables
        }


class Writer(threading.Thread):
    """A run that logs rows and replaces a file, over and over, until it is told to stop."""

    def __init__(self, site: Site, name: str, stop: threading.Event, begun: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.site, self.run_name, self.stopped, self.begun = site, name, stop, begun
        self.acknowledged = 0

    def run(self) -> None:
        store, folder = self.site.store, self.site.settings.files
        while not self.stopped.is_set():
            row = json.dumps({"_step": self.acknowledged, "x": 1})
            body = {"files": {"wandb-history.jsonl": {"offset": self.acknowledged, "content": [row]}}}
            with store.write() as connection:
                run = run_by_path(connection, "kag", "p", self.run_name, lock=True)
                ingest(connection, run, body, now=self.site.now)
            blob = folder.keep(row.encode())
            claim = {"do": "put", "to": "run", "id": run["id"], "name": "newest.json"}
            with store.write() as connection:
                replaced = attach(connection, claim, blob, now=self.site.now)
            self.acknowledged += 1
            if replaced is not None:
                folder.remove([replaced])
            if self.acknowledged == 2:
                self.begun.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_a_backup_under_writers_holds_every_row_that_came_before_it(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    site = Site(tmp_path, url=url_of(request, kind, tmp_path, "tracking"))
    stop, begun = threading.Event(), threading.Barrier(WRITERS + 1)
    writers = [Writer(site, f"w{number}", stop, begun) for number in range(WRITERS)]
    for writer in writers:
        site.run(writer.run_name)
        writer.start()
    begun.wait()
    before = {writer.run_name: writer.acknowledged for writer in writers}
    taken = back_up(site.store, site.settings.files, tmp_path / "backup")
    stop.set()
    for writer in writers:
        writer.join()
    assert taken.missing == 0
    assert taken.runs == WRITERS
    target = url_of(request, kind, tmp_path, "again")
    restore(tmp_path / "backup", target, BlobFolder(tmp_path / "again"))
    with closing(Store(target, make=False)) as store:
        assert check(store, BlobFolder(tmp_path / "again"), now=0).broken == []
        with store.read() as connection:
            logged = {row["name"]: row["id"] for row in all_rows(connection, select(runs))}
            for name, acknowledged in before.items():
                steps = connection.execute(select(lines.c.step).filter_by(run_id=logged[name])).scalars().all()
                assert sorted(steps) == list(range(len(steps)))
                assert len(steps) >= acknowledged
            named = select(blobs.c.path).join(files, files.c.blob_id == blobs.c.id)
            for path in connection.execute(named).scalars():
                assert json.loads(BlobFolder(tmp_path / "again").read(path))["x"] == 1
    site.http.close()
    site.store.close()


@pytest.mark.parametrize("kinds", [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_either_kind_restores_from_the_other(
    request: pytest.FixtureRequest, tmp_path: Path, kinds: tuple[str, str]
) -> None:
    """Every row is the same, and no number of a row that is gone is given again."""
    site = Site(tmp_path, url=url_of(request, kinds[0], tmp_path, "tracking"))
    Log(site)({"w.txt": b"weights"}, aliases=[])
    site.log(0, [{"_step": 0, "x": 1.5}])
    number = site.run("gone")["bucket"]["id"]
    site.ask("mutation($i: ID!){deleteRun(input:{id:$i}){success}}", i=number)
    back_up(site.store, site.settings.files, tmp_path / "backup")
    target = url_of(request, kinds[1], tmp_path, "again")
    restore(tmp_path / "backup", target, BlobFolder(tmp_path / "again"))
    other = Site(tmp_path, url=target, key=site.key, files=BlobFolder(tmp_path / "again"))
    assert rows_of(other.store) == rows_of(site.store)
    for one in (site, other):
        one.run("next")
    assert rows_of(other.store)["runs"] == rows_of(site.store)["runs"]
    for one in (site, other):
        one.http.close()
        one.store.close()


def test_a_backup_is_for_its_owner_alone_and_there_in_full_or_not_at_all(own_site: Site, tmp_path: Path) -> None:
    site, target = own_site, tmp_path / "backup"
    Log(site)({"w.txt": b"weights"})
    back_up(site.store, site.settings.files, target)
    assert all(path.stat().st_mode & 0o077 == 0 for path in [target, *target.rglob("*")] if path.name != "backup.json")
    with pytest.raises(UserError, match="something here already"):
        back_up(site.store, site.settings.files, target)
    with pytest.raises(UserError, match="no backup that `kag serve backup` has finished"):
        restore(tmp_path, f"sqlite:///{tmp_path / 'x.db'}", BlobFolder(tmp_path / "x"))
    with pytest.raises(UserError, match="holds something already"):
        restore(target, f"sqlite:///{tmp_path / 'tracking.db'}", BlobFolder(tmp_path / "files"))


def test_while_a_backup_runs_no_file_is_removed(site: Site) -> None:
    """What is replaced meanwhile is left for a sweep, and goes with that."""
    log = Log(site)
    log.site.run()
    upload(site, "first", "a.txt", b"one")
    with alone(site.settings.files.folder / LOCK):
        upload(site, "first", "a.txt", b"two")
    old = [path for path in site.settings.files.folder.glob("*/*") if path.read_bytes() == b"one"]
    assert len(old) == 1
    os.utime(old[0], (0, 0))
    gone = prune(site.store, site.settings.files, now=site.now, keep_days=None, project=None, dry_run=False)
    assert gone.files == 1
    assert not old[0].exists()


def upload(site: Site, run: str, name: str, content: bytes) -> None:
    query = """mutation($f: [String!]!, $r: String!){ createRunFiles(input: {projectName: "p", runName: $r, files: $f})
      { files { uploadUrl } } }"""
    link = site.ask(query, f=[name], r=run)["createRunFiles"]["files"][0]["uploadUrl"]
    assert site.http.put(link, content=content).status_code == 200


def test_check_names_what_is_missing_and_what_is_cut_short(site: Site) -> None:
    Log(site)({"w.txt": b"weights", "x.txt": b"others"})
    folder = site.settings.files
    assert check(site.store, folder, now=site.now).broken == []
    by_content = {path.read_bytes(): path for path in folder.folder.glob("*/*")}
    by_content[b"weights"].unlink()
    by_content[b"others"].write_bytes(b"o")
    told = check(site.store, folder, now=site.now).broken
    assert sorted(told) == sorted(
        [f"{by_content[b'weights']} is missing", f"{by_content[b'others']} has 1 bytes, not 6"]
    )


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DROP TABLE alerts", "there is no table alerts"),
        ("ALTER TABLE runs DROP COLUMN notes", "there is no column runs.notes"),
        ("DELETE FROM blobs", "a row of artifact_files refers to a row of blobs that is not there"),
    ],
)
def test_check_names_what_the_database_lacks(site: Site, statement: str, says: str) -> None:
    Log(site)({"w.txt": b"weights"})
    with site.store.alter() as connection:
        connection.exec_driver_sql(statement)
    assert says in check(site.store, site.settings.files, now=site.now).broken


def test_old_runs_go_with_their_files_and_runs_of_open_sweeps_stay(site: Site) -> None:
    for name in ("old", "logging", "young"):
        site.run(name)
        upload(site, name, "a.txt", name.encode())
    for name in ("old", "young"):
        assert site.stream({"complete": True, "exitcode": 0}, name).status_code == 200
    config = "{method: grid, program: x.py, metric: {name: l}, parameters: {a: {values: [1]}}}"
    query = 'mutation($c: String!){upsertSweep(input:{config:$c,projectName:"p"}){sweep{name}}}'
    sweep = site.ask(query, c=config)["upsertSweep"]["sweep"]["name"]
    site.run("trial", sweep=sweep)
    site.stream({"complete": True, "exitcode": 0}, "trial")
    site.now += 10 * 86400
    site.stream({"files": {}}, "young")
    site.stream({"complete": True, "exitcode": 0}, "young")
    site.stream({"files": {}}, "logging")
    words: dict[str, Any] = {"now": site.now, "keep_days": 5, "project": "kag/p"}
    said = prune(site.store, site.settings.files, dry_run=True, **words)
    assert said.runs == ["kag/p/old"]
    assert prune(site.store, site.settings.files, dry_run=False, **words) == said
    with site.store.read() as connection:
        names = set(connection.execute(select(runs.c.name)).scalars())
    assert names == {"logging", "young", "trial"}
    assert sorted(path.read_bytes() for path in site.settings.files.folder.glob("*/*")) == [b"logging", b"young"]


def test_an_upload_on_its_way_is_no_stray(site: Site) -> None:
    folder = site.settings.files
    folder.keep(b"about to get a row")
    words: dict[str, Any] = {"keep_days": None, "project": None, "dry_run": False}
    newest = max(path.stat().st_mtime for path in folder.folder.glob("*/*"))
    assert prune(site.store, folder, now=newest + 60, **words).files == 0
    assert prune(site.store, folder, now=newest + 7200, **words).files == 1
    assert list(folder.folder.glob("*/*")) == []
