"""Kills a migration at twenty of its statements, and looks what it left: `python -m tests.server.killed_migration`.

Args: a folder; the URL of an empty database of PostgreSQL, or "" for SQLite. Prints a list as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kag.server import layout
from kag.server.store import Store
from tests.server.old_layouts import Made

KILLS = 20


def rows(url: str) -> dict[str, Any]:
    """All that a database holds."""
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        held = {name: connection.execute(sa.select(table)).all() for name, table in tables.tables.items()}
    engine.dispose()
    return {name: sorted(map(repr, found)) for name, found in held.items()}


def migrate(url: str, moment: int | None) -> int:
    """Migrate in a process that is killed before its n-th statement, at the latest when it is done; its exit code."""
    child = os.fork()
    if child == 0:
        count = 0

        def counting(*_: Any) -> None:
            nonlocal count
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(sa.Engine, "before_cursor_execute", counting)
        sa.event.listen(sa.Engine, "commit", counting)
        Store(url, tell=lambda _: None).close()
        Path(sys.argv[1], "count").write_text(str(count))
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Lite:
    """A file, put back before each kill."""

    def __init__(self, folder: Path) -> None:
        self.pristine, self.file = folder / "pristine.db", folder / "tracking.db"
        Made("4d88beb").sqlite(self.pristine)
        self.url = f"sqlite:///{self.file}"

    def restore(self) -> None:
        for path in self.file.parent.glob("tracking.db*"):
            path.unlink()
        shutil.copy(self.pristine, self.file)


class Post:
    """A database, made again from a template before each kill."""

    def __init__(self, folder: Path, url: str) -> None:
        self.template = sa.make_url(url)
        Made("4d88beb").postgresql(folder, url)
        self.url = self.template.set(database="killed").render_as_string(hide_password=False)

    def restore(self) -> None:
        engine = sa.create_engine(self.template.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS killed WITH (FORCE)")
            connection.exec_driver_sql(f'CREATE DATABASE killed TEMPLATE "{self.template.database}"')
        engine.dispose()


def main(folder: Path, url: str) -> None:
    """Count the statements of a migration, then kill one at twenty of them."""
    database: Any = Post(folder, url) if url else Lite(folder)
    database.restore()
    old = rows(database.url)
    migrate(database.url, None)
    total, new = int((folder / "count").read_text()), rows(database.url)
    seen = []
    for kill in range(KILLS):
        moment = 1 + round(kill * total / (KILLS - 1))
        database.restore()
        code = migrate(database.url, moment)
        found = rows(database.url)
        seen.append(
            {"moment": moment, "signal": -code, "is": "old" if found == old else "new" if found == new else "half"}
        )
        again = Store(database.url, tell=lambda _: None)
        with again.read() as connection:
            assert layout.layout_of(connection) == layout.newest()
        again.close()
        assert rows(database.url) == new
    print(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
