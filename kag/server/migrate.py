"""An older database is brought to the layout of now: a copy first, then step by step in one transaction.

In PostgreSQL no copy is made here: what changes is one transaction, and `pg_dump` makes copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from kag.errors import KagError, StorageError
from kag.server import layout
from kag.server.copy import copy_sqlite
from kag.server.store import Store
from kag.server.trouble import FAILURES, trouble_of


def migrate(store: Store, tell: Callable[[str], None]) -> None:
    """Bring a database to the newest layout, unless another process has done so meanwhile.

    Raises:
        StorageError: there is no room for the copy, or for the new layout; the database is as it was.
        KagError: what the database holds does not go together; it is as it was.
    """
    try:
        with ExitStack() as undo, store.alter() as connection:
            found = layout.layout_of(connection)
            if found is not None and found < layout.newest():
                copy = None if store.file is None else _saved(store.file, found, undo)
                kept = "all of it is one transaction" if copy is None else f"a copy of it as it was is {copy}"
                tell(f"migrating the database from layout {found} to {layout.newest()}; {kept}")
                steps(connection, found)
                undo.pop_all()
    except FAILURES as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        what = f"the database was not migrated and is as it was: {trouble.what}"
        raise StorageError(what, where=None if store.file is None else str(store.file)) from error


def _saved(file: Path, found: str, undo: ExitStack) -> Path:
    """A copy of the database as it is, which goes again if it stays so."""
    copy = file.with_name(f"{file.name}.{found}-{time.strftime('%Y%m%dT%H%M%S')}")
    copy_sqlite(file, copy)
    undo.callback(copy.unlink)
    return copy


def steps(connection: Connection, found: str) -> None:
    """All steps from a layout to the newest one.

    Raises:
        KagError: rows refer to rows that are not there.
    """
    if found != layout.UNNUMBERED:
        layout.number(connection, found)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(layout.STEPS))
    command.upgrade(config, "head")
    if connection.dialect.name == "sqlite":
        astray = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if astray is not None:
            raise KagError(f"rows of {astray[0]} refer to rows of {astray[2]} that are not there: nothing was migrated")
