"""The database behind the server: SQLite in WAL mode, or PostgreSQL by URL. Transactions are the only way in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Table,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from kag.errors import UserError
from kag.server.storable import refuse_unstorable
from kag.server.tables import metadata

_WRITES = "kag_writes"


class Store:
    """An engine with two kinds of transaction.

    Args:
        url: SQLAlchemy URL: `sqlite:///tracking.db` or `postgresql+psycopg://user@host/db`.

    Raises:
        UserError: the URL is none, or the database cannot be reached.
    """

    def __init__(self, url: str) -> None:
        try:
            self.engine: Engine = _engine(url)
            refuse_unstorable(self.engine)
            metadata.create_all(self.engine)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, OperationalError) as error:
            remedy = "give sqlite:///FILE, or postgresql+psycopg://USER@HOST/DATABASE (pip install 'kag[postgresql]')"
            raise UserError(f"cannot open the database: {error}", where=url, remedy=remedy) from error
        one_at_a_time = self.engine.dialect.name == "sqlite"
        self._writing: AbstractContextManager[Any] = threading.Lock() if one_at_a_time else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and changes nothing."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed as a whole or not at all. One at a time in SQLite."""
        options = {_WRITES: True}
        with self._writing, self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_size=20, max_overflow=40, pool_pre_ping=True)
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
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


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
    """The row with these values, or None; `lock` keeps others from changing it until the transaction ends."""
    query = select(table).filter_by(**values)
    return first(connection, query.with_for_update() if lock else query)


def count(connection: Connection, table: Table, *where: ColumnElement[bool], **values: Any) -> int:
    """Number of rows that fit and have these values."""
    query = select(func.count()).select_from(table).where(*where).filter_by(**values)
    return int(connection.execute(query).scalar_one())


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
