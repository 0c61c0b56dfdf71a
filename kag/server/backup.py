"""A backup of everything that a server keeps, taken while it works; and back again, to either kind of database.

A backup is a folder: `tracking.db`, an SQLite database with every row of one moment, whatever database they came from;
`files`, every file that those rows name; `backup.json`, what it is. A file arrives before its row does, and while a
backup is taken none is removed: so every row that was acknowledged before it began is in it with its file. Files in a
bucket stay there: a backup says where, and is restored to a server of the same bucket.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sqlalchemy import select

from kag import __version__
from kag.errors import UserError
from kag.server import layout
from kag.server.blob_folder import BlobFolder
from kag.server.blobs import Blobs, key_of
from kag.server.copy import copy_sqlite
from kag.server.private import private_file, private_folder
from kag.server.store import Store
from kag.server.tables import metadata
from kag.server.transfer import copy_rows
from kag.track.atomic import require_place

DATABASE, FILES, ABOUT = "tracking.db", "files", "backup.json"


class Taken(NamedTuple):
    """What is in a backup."""

    layout: str
    runs: int
    files: int
    missing: int
    """Files that rows name and that were not there."""
    elsewhere: str | None = None
    """The bucket in which its files have stayed."""


def back_up(store: Store, files: Blobs, target: Path) -> Taken:
    """Take a backup; the folder is there in full or not at all.

    Raises:
        UserError: there is something at its place already, or nothing can be there.
        OSError: the system does not take it.
    """
    if os.path.lexists(target):
        raise UserError("there is something here already", where=str(target), remedy="name a folder that is not there")
    require_place(target.parent)
    part = target.with_name(f"{target.name}.part")
    with files.backing_up():
        shutil.rmtree(part, ignore_errors=True)
        private_folder(part)
        try:
            _save_rows(store, part / DATABASE)
            taken = _save_files(part / DATABASE, files, BlobFolder(part / FILES))
            (part / ABOUT).write_text(json.dumps({"kag": __version__, **taken._asdict()}, indent=2), encoding="utf-8")
            os.sync()
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return taken


def _save_rows(store: Store, target: Path) -> None:
    if store.file is not None:
        copy_sqlite(store.file, target)
        return
    private_file(target)
    with closing(Store(f"sqlite:///{target}")) as saved, saved.write() as new, store.snapshot() as old:
        copy_rows(old, new, metadata)


def _save_files(database: Path, source: Blobs, target: Blobs) -> Taken:
    """Copy every file that the database of a backup names, which is one file from now on."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        held = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        paths = [path for (path,) in connection.execute("SELECT path FROM blobs")]
    if source.folder is None:
        missing = set(paths) - {one.path for one in source.lying(before=math.inf)}
        return Taken(layout.newest(), held, 0, len(missing), str(source))
    target.prepare()
    places = [(path, source.folder / key_of(path)) for path in paths]
    there = [(path, place) for path, place in places if place.is_file()]
    for path, place in there:
        target.take(path, place)
    return Taken(layout.newest(), held, len(there), len(paths) - len(there))


def restore(source: Path, url: str, files: Blobs) -> Taken:
    """Make a database and a place of files from a backup: files first, so that who sees a row finds its file.

    Raises:
        UserError: this is no backup that was finished, or of a newer kag, or the database holds something already, or
            its files have stayed in another bucket.
    """
    if not (source / ABOUT).is_file():
        raise UserError("this is no backup that `kag serve backup` has finished", where=str(source))
    elsewhere = json.loads((source / ABOUT).read_text(encoding="utf-8")).get("elsewhere")
    if elsewhere not in (None, str(files)):
        remedy = f"name that bucket: --files {elsewhere}"
        raise UserError(f"the files of this backup have stayed in {elsewhere}", where=str(files), remedy=remedy)
    if files.folder is not None:
        require_place(files.folder)
    files.prepare()
    kept = files if elsewhere else BlobFolder(source / FILES)
    with closing(Store(url)) as store, TemporaryDirectory(dir=files.folder) as folder:
        _refuse_rows(store)
        copy = Path(folder) / DATABASE
        copy_sqlite(source / DATABASE, copy)
        taken = _save_files(copy, kept, files)
        opened = Store(f"sqlite:///{copy}", make=False, tell=_nobody)
        with closing(opened) as saved, saved.read() as old, store.write() as connection:
            copy_rows(old, connection, metadata)
    return taken


def _nobody(_: str) -> None:
    """That a copy of a backup is migrated is nobody's concern."""


def _refuse_rows(store: Store) -> None:
    with store.read() as connection:
        if any(connection.execute(select(table).limit(1)).first() for table in metadata.sorted_tables):
            remedy = "name a database that is not there yet by --db, and a folder by --files"
            raise UserError("this database holds something already", where=str(store.url), remedy=remedy)
