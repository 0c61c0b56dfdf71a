"""Kills a migration at twenty of its statements, and looks what it left: `python -m tests.server.killed_migration`.

The tests give it a folder, the URL of an empty database of PostgreSQL or "" for SQLite, and a smaller number of kills;
it prints JSON for them.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

import kag.server.migrate  # noqa: F401  # once, and not in every child
from kag.server.store import Store
from tests.e2e.postgresql import cluster, new_database
from tests.server.old_layouts import Made

KILLS = 20
LAYOUT = """SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
  WHERE table_schema = 'public' ORDER BY 1, 2"""
INDICES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


@contextmanager
def heard(listener: Callable[..., None]) -> Iterator[None]:
    """Tell a listener of each statement, before it, and of each commit."""
    events = ("before_cursor_execute", "commit")
    for event in events:
        sa.event.listen(sa.Engine, event, listener)
    yield
    for event in events:
        sa.event.remove(sa.Engine, event, listener)


def statements(url: str) -> int:
    """Migrate, and count the statements; children need not prepare again what is prepared here."""
    seen: list[Any] = []
    with heard(lambda *_: seen.append(None)):
        Store(url, tell=lambda _: None).close()
    return len(seen)


def migrate(url: str, moment: int | None) -> int:
    """Migrate in a process that is killed before its n-th statement, at the latest when it is done; its exit code."""
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def fatal(*_: Any) -> None:
            if next(count) == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        with heard(fatal):
            Store(url, tell=lambda _: None).close()
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

    def state(self) -> Any:
        """All that it holds, and its layout."""
        with closing(sqlite3.connect(self.file)) as connection:
            made = sorted(connection.execute("SELECT type, name FROM sqlite_master").fetchall())
            names = [name for kind, name in made if kind == "table"]
            layout = {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in names}
            return made, layout, {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


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

    def state(self) -> Any:
        """All that it holds, and its layout."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            columns = connection.exec_driver_sql(LAYOUT).all()
            names = {name for name, *_ in columns}
            rows = {name: sorted(map(str, connection.exec_driver_sql(f"SELECT * FROM {name}").all())) for name in names}
            return columns, rows, connection.exec_driver_sql(INDICES).all()


def killed(folder: Path, url: str, kills: int = KILLS) -> dict[str, Any]:
    """Count the statements of a migration, then kill one at some of them, first and last included; what each left."""
    database: Any = Post(folder, url) if url else Lite(folder)
    database.restore()
    old = database.state()
    total, new = statements(database.url), database.state()
    seen = []
    for kill in range(kills):
        moment = 1 + round(kill * total / (kills - 1))
        database.restore()
        code = migrate(database.url, moment)
        found = database.state()
        left = "old" if found == old else "new" if found == new else "half"
        seen.append({"moment": moment, "signal": -code, "is": left})
    database.restore()
    migrate(database.url, total // 2)
    migrate(database.url, None)
    return {"kills": seen, "then": database.state() == new}


def told(kind: str, url: str) -> str:
    """What came of twenty kills, in one line."""
    with TemporaryDirectory() as folder:
        found = killed(Path(folder), url)
    left = Counter(one["is"] for one in found["kills"])
    return (
        f"{kind}: killed before statements {', '.join(str(one['moment']) for one in found['kills'])} of the migration: "
        f"{left['old']} times the old layout was there in full, {left['new']} times the new one, {left['half']} times "
        f"neither; the next start migrates: {found['then']}"
    )


def main() -> None:
    """On both databases."""
    print(told("sqlite", ""), flush=True)
    with cluster() as url:
        print(told("postgresql", new_database(url, "old")))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(killed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
    else:
        main()
