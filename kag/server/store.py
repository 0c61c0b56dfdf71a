"""The database behind the server: SQLite in WAL mode, or PostgreSQL by URL. Transactions are the only way in."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    TextClause,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from kag.errors import KagError, StorageError, UserError
from kag.server import layout
from kag.server.changes import note_changes, noting, number_changes
from kag.server.private import close, private_file
from kag.server.storable import refuse_unstorable
from kag.server.trouble import FULL, GONE, UNREACHED, UNREADABLE, first_line, shown, trouble_of
from kag.text import command

_WRITES, _ALONE = "kag_writes", "kag_alone"
_LAYOUT_LOCK = 0x6B6167
"""Number of the lock of PostgreSQL that whoever changes the layout holds; whoever looks at it shares it."""
_REMEDY = "give sqlite:///FILE, or postgresql+psycopg://USER@HOST/DATABASE (pip install 'kag[postgresql]')"


class Store:
    """An engine with two kinds of transaction, and a third for the layout.

    Args:
        url: SQLAlchemy URL: `sqlite:///tracking.db` or `postgresql+psycopg://user@host/db`.
        make: make the tables, and the file, where there are none.
        tell: told what is done while an older database is migrated; without it one is refused.

    Raises:
        UserError: the URL is none, the database cannot be opened, is not kag's or has another layout.
        StorageError: there is no room to migrate it.
    """

    def __init__(self, url: str, *, make: bool = True, tell: Callable[[str], None] | None = None) -> None:
        self.url = _parsed(url)
        self.file = file_of(url)
        one_at_a_time = self.file is not None
        self._writing: AbstractContextManager[Any] = threading.Lock() if one_at_a_time else nullcontext()
        with ExitStack() as undo:
            try:
                if self.file is not None and not make and not self.file.exists():
                    remedy = f"name it by --db or KAG_DB; `{command('serve', db=shown(url))}` makes one"
                    raise UserError("there is no such database", where=shown(url), remedy=remedy)
                self.engine = _engine(self.url)
                refuse_unstorable(self.engine)
                note_changes(self.engine)
                undo.callback(self.close)
                self._settle(make, tell)
            except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, DBAPIError, OSError) as error:
                raise _unopened(url, error) from error
            undo.pop_all()

    def _settle(self, make: bool, tell: Callable[[str], None] | None) -> None:
        """See to it that the database has the layout of now."""
        with self.read() as connection:
            if self.file is None:  # else some columns are looked at before another process migrates them, some after
                connection.execute(select(func.pg_advisory_xact_lock_shared(_LAYOUT_LOCK)))
            found = layout.layout_of(connection)
        if found is None and not make:
            remedy = f"`{command('serve', db=self.url)}` makes the tables"
            raise UserError("this database holds nothing yet", remedy=remedy)
        if found is None:
            with self.alter() as connection:
                layout.make(connection)
        elif found < layout.newest() and tell is not None:
            from kag.server.migrate import migrate  # alembic is for who needs it: every client of a folder comes here

            migrate(self, tell)
        else:
            layout.check(found)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that changes nothing. In PostgreSQL each of its questions sees what is there at its moment."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """A connection for one question: no transaction around it is begun and ended, which costs as much again."""
        options: dict[str, Any] = {_ALONE: True} if self.file is not None else {"isolation_level": "AUTOCOMMIT"}
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction for many questions, all about the same moment."""
        options = {} if self.file is not None else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed as a whole or not at all. One at a time in SQLite."""
        options = {_WRITES: True, **noting()}
        with self._writing, self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
            number_changes(connection)

    @contextmanager
    def alter(self) -> Iterator[Connection]:
        """A transaction in which tables are changed; whoever else wants to change them waits, however long it takes.

        SQLite makes a table anew to change it; the rows that refer to its rows must not go with the old one.
        """
        with self._writing, self.engine.connect().execution_options(**{_WRITES: True}) as connection:
            connection.detach()
            if self.file is not None:
                for pragma in ("foreign_keys=OFF", f"busy_timeout={2**31 - 1}"):
                    connection.connection.execute(f"PRAGMA {pragma}")
            with connection.begin():
                if self.file is None:
                    connection.execute(select(func.pg_advisory_xact_lock(_LAYOUT_LOCK)))
                yield connection

    def said(self, error: BaseException) -> str:
        """What the driver says of an error, without the password."""
        return first_line(error, self.url.render_as_string(hide_password=False))

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _unopened(url: str, error: Exception) -> KagError:
    """What is said of a database that could not be opened: the URL is at fault, or the disk."""
    trouble, what = trouble_of(error), "cannot open the database: "
    if trouble in (FULL, UNREADABLE):
        return StorageError(what + trouble.what, where=shown(url), remedy="make room on this disk, then go on")
    if trouble in (None, UNREACHED, GONE):
        return UserError(what + first_line(error, url), where=shown(url), remedy=_REMEDY)
    return UserError(what + trouble.what, where=shown(url))


def file_of(url: str) -> Path | None:
    """The file of an SQLite database; None for one on a server."""
    found = _parsed(url)
    return Path(found.database) if found.get_backend_name() == "sqlite" and found.database else None


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as error:
        # What was given may hold a password anywhere.
        raise UserError("cannot open the database: this is no URL of one", where=shown(url), remedy=_REMEDY) from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True)
    _close_to_others(url.database)
    engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False}, pool_size=20, max_overflow=40)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=60000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if _ALONE not in options:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")

    return engine


def _close_to_others(database: str | None) -> None:
    """SQLite gives its log and its index of it the rights of the database; those that it finds keep theirs."""
    if not database or database.startswith((":memory:", "file:")):
        return
    private_file(Path(database))
    for end in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            close(Path(f"{database}{end}"))


Rows = Sequence[Mapping[str, Any]]


def upsert(connection: Connection, table: Table, rows: Rows, *, key: Sequence[str], update: Sequence[str]) -> None:
    """Insert rows; where the key exists, replace the columns in `update`, or leave the row if there are none."""
    if not rows:
        return
    made: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    if update:
        made = made.on_conflict_do_update(index_elements=key, set_={name: made.excluded[name] for name in update})
    else:
        made = made.on_conflict_do_nothing(index_elements=key)
    connection.execute(made, [dict(row) for row in rows])


def first(connection: Connection, query: Select[Any]) -> RowMapping | None:
    """The first row of a query, or None."""
    return connection.execute(query.limit(1)).mappings().first()


def all_rows(connection: Connection, query: Select[Any]) -> Sequence[RowMapping]:
    """Every row of a query."""
    return connection.execute(query).mappings().all()


def find(connection: Connection, table: Table, *, lock: bool = False, **values: Any) -> RowMapping | None:
    """The row with these values, or None; `lock` keeps others from changing it until the transaction ends.

    Not from naming it: a foreign key is looked up under a lock as well, and would wait here for who may wait for it.
    """
    if None in values.values():
        query = select(table).filter_by(**values)
        return first(connection, query.with_for_update(key_share=True) if lock else query)
    return connection.execute(_finding(table, tuple(values), lock), values).mappings().first()


@lru_cache(maxsize=256)
def _finding(table: Table, names: tuple[str, ...], lock: bool) -> Select[Any]:
    """Built once for each kind of question: every request asks some."""
    query = select(table).where(*(table.c[name] == bindparam(name) for name in names)).limit(1)
    return query.with_for_update(key_share=True) if lock else query


def count(connection: Connection, table: Table, *where: ColumnElement[bool] | TextClause, **values: Any) -> int:
    """Number of rows that fit and have these values."""
    query = select(func.count()).select_from(table).where(*where).filter_by(**values)
    return int(connection.execute(query).scalar_one())


def take_turns(connection: Connection, *words: object) -> None:
    """Until the transaction ends, no other one with the same words gets past this; SQLite writes one at a time anyway.

    For what is not there yet, and so cannot be locked.
    """
    if connection.dialect.name != "sqlite":
        digest = hashlib.sha256(repr(words).encode()).digest()
        number = int.from_bytes(digest[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def highest(connection: Connection, column: Column[int], *where: ColumnElement[bool]) -> int:
    """The largest value of a column of rows that count from 0; -1 if none fits."""
    found = connection.execute(select(func.max(column)).where(*where)).scalar_one()
    return -1 if found is None else int(found)


def total(connection: Connection, column: Column[int]) -> int:
    """The sum of a column over all rows."""
    return int(connection.execute(select(func.coalesce(func.sum(column), 0))).scalar_one())


def inserted_id(connection: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert one row; its id."""
    key = connection.execute(table.insert().values(**values)).inserted_primary_key
    if key is None:
        raise LookupError(f"{table.name} gave no primary key")
    return int(key[0])


def inserted(connection: Connection, table: Table, values: Mapping[str, Any]) -> RowMapping:
    """Insert one row; all of it, with its id."""
    number = inserted_id(connection, table, values)
    return connection.execute(select(table).filter_by(id=number)).mappings().one()


def updated(connection: Connection, table: Table, number: int, values: Mapping[str, Any]) -> RowMapping:
    """Change columns of the row with an id, which must be there; the row as it is then."""
    connection.execute(table.update().filter_by(id=number).values(**values))
    return connection.execute(select(table).filter_by(id=number)).mappings().one()
