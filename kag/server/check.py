"""Whether what a server keeps is whole: the database, its layout, and the files that it names."""

from __future__ import annotations

import math
from typing import NamedTuple

from sqlalchemy import Connection, inspect, select

from kag.server.blobs import Blobs, key_of
from kag.server.layout import layout_of
from kag.server.prune import strays
from kag.server.store import Store, all_rows
from kag.server.tables import blobs, metadata


class Checked(NamedTuple):
    """What was found."""

    layout: str | None
    broken: list[str]
    """What somebody must mend, a sentence each."""
    strays: int
    """Files that nothing names: they cost room alone, and `kag serve prune` removes them."""


def check(store: Store, files: Blobs, *, now: float) -> Checked:
    """Look at everything, and change nothing."""
    with store.snapshot() as connection:
        found, broken = layout_of(connection), [f"there is no {one}" for one in lacking(connection)]
        if store.file is not None:
            broken += _damage(connection)
        if not broken:
            broken = _missing(connection, files)
    return Checked(found, broken, 0 if broken else len(strays(store, files, before=now)))


def lacking(connection: Connection) -> list[str]:
    """The tables and columns that are not there."""
    found = inspect(connection)
    there = {
        name: {column["name"] for column in found.get_columns(name)}
        for name in set(found.get_table_names()) & metadata.tables.keys()
    }
    tables = [f"table {name}" for name in metadata.tables if name not in there]
    columns = [
        f"column {name}.{column.name}"
        for name, held in there.items()
        for column in metadata.tables[name].columns
        if column.name not in held
    ]
    return sorted(tables + columns)


def _damage(connection: Connection) -> list[str]:
    """What SQLite itself finds."""
    said = connection.exec_driver_sql("PRAGMA integrity_check").scalars().all()
    astray = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    damage = [f"the file of the database is damaged: {line}" for line in said if line != "ok"]
    return damage + [f"a row of {row[0]} refers to a row of {row[2]} that is not there" for row in astray]


def _missing(connection: Connection, files: Blobs) -> list[str]:
    found, there = [], {one.path: one.size for one in files.lying(before=math.inf)}
    for row in all_rows(connection, select(blobs.c.path, blobs.c.size).order_by(blobs.c.id)):
        size, where = there.get(row["path"]), f"{files}/{key_of(row['path'])}"
        if size is None:
            found.append(f"{where} is missing")
        elif size != row["size"]:
            found.append(f"{where} has {size} bytes, not {row['size']}")
    return found
