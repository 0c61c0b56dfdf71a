"""A copy of an SQLite database that is in use: one state of it, whoever writes meanwhile."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from kag.server.private import opener


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database; the copy is there in full or not at all, for its owner's eyes alone.

    Raises:
        sqlite3.Error: SQLite cannot read the one or write the other.
        OSError: nor can the system.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(opener(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
