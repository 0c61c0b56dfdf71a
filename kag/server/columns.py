"""Kinds of tables and of columns that the tables of the database are made of."""

from __future__ import annotations

from functools import partial
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


def table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
    """A table of the database."""
    return sa.Table(name, metadata, *parts, **options)


def numbered(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """A table whose rows have a number, which no later row gets again."""
    number = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    return table(name, number, *parts, sqlite_autoincrement=True)


def part_of(table: str, name: str, **options: Any) -> sa.Column[int]:
    """The row that a row belongs to, and goes with."""
    return sa.Column(name, sa.Integer, sa.ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False, **options)


owner = partial(part_of, index=True)
key = partial(part_of, primary_key=True)
needed = partial(sa.Column, nullable=False)


def texts(*names: str, nullable: bool = True) -> list[sa.Column[str]]:
    """Texts of any length."""
    return [sa.Column(name, sa.Text, nullable=nullable) for name in names]


def words(**lengths: int) -> list[sa.Column[str]]:
    """Texts that every row has, by the letters that they may have at most."""
    return [needed(name, sa.String(length)) for name, length in lengths.items()]


def times(*names: str) -> list[sa.Column[float]]:
    """Numbers that every row has; most are times, in seconds since the epoch."""
    return [needed(name, sa.Float) for name in names]


def changed(table: str) -> list[sa.schema.SchemaItem]:
    """Number of the change that a row is as it was left by, among those of its project; 0 until that has one."""
    unnumbered = sa.text("changed = 0")
    return [
        needed("changed", sa.BigInteger, default=0, onupdate=0, server_default="0"),
        sa.Index(f"{table}_by_change", "project_id", "changed"),
        sa.Index(f"{table}_unnumbered", "project_id", sqlite_where=unnumbered, postgresql_where=unnumbered),
    ]


def maker() -> sa.Column[str]:
    """Name of the key that made a row; "" for those of before keys had roles, when nobody asked."""
    return needed("user", sa.String(128), server_default="")
