"""All rows of one database into another one, of the same or of the other kind."""

from __future__ import annotations

from sqlalchemy import Connection, MetaData, Table, func, select, text

_AT_ONCE = 1000
"""Rows that are held in memory."""


def copy_rows(source: Connection, target: Connection, tables: MetaData) -> None:
    """Copy every row, and which numbers have been given out: those of rows that are gone are not given again.

    Args:
        source: a transaction that sees one state.
        target: a transaction of a database that has the tables, and no rows in them.
        tables: what to copy.
    """
    for table in tables.sorted_tables:
        rows = source.execution_options(stream_results=True).execute(select(table)).mappings()
        for some in rows.partitions(_AT_ONCE):
            target.execute(table.insert(), [dict(row) for row in some])
        if table.autoincrement_column is not None:
            _go_on(target, table, _last(source, table))


def _last(connection: Connection, table: Table) -> int:
    """The highest number that a row has or had."""
    held = int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one())
    if connection.dialect.name == "sqlite":
        counted = bool(connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").first())
        query = text("SELECT seq FROM sqlite_sequence WHERE name = :name") if counted else text("SELECT 0")
        given = connection.execute(query, {"name": table.name} if counted else {}).scalar()
    else:
        given = connection.execute(select(func.pg_sequence_last_value(_sequence(connection, table)))).scalar()
    return max(held, given or 0)


def _go_on(connection: Connection, table: Table, last: int) -> None:
    """The next row gets the number behind the last one."""
    if last == 0:
        return
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.setval(_sequence(connection, table), last)))
        return
    words = {"name": table.name, "last": last}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), words)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), words)


def _sequence(connection: Connection, table: Table) -> str:
    return str(connection.execute(select(func.pg_get_serial_sequence(table.name, "id"))).scalar_one())
