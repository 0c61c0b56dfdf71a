"""Entries of the JSON that runs hold, cut out by the database: of a hundred settings a question is about one or two.

What it says is the text that the client sent; what that means is said by whoever reads it. Both kinds of database look
through ten thousand runs so in a tenth of the time that it takes to read them whole. (Of a key that stands twice in one
object, which no client sends, SQLite gives the first.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, Text, case, cast, func, literal, select
from sqlalchemy.exc import DataError

from kag.number import read_json
from kag.server.tables import runs

Cut = Mapping[int, Mapping[str, Any] | None]
"""Row of the table of runs -> its entries of the keys that were asked for; None where the text is to be read whole."""

_UNREAD = 0
"""The key that stands for those of a text that SQLite does not read: no object of JSON has a number for a key."""


def can_cut(key: str) -> bool:
    """Whether a key can be written in a path of SQLite's; texts may spell other letters in several ways."""
    return key.isascii() and key.isprintable() and not set(key) & set('"\\<>&')


def entries(connection: Connection, project: int, column: Column[str], keys: Sequence[str]) -> Cut | None:
    """What the runs of a project have at keys of the outermost level.

    Args:
        connection: a transaction.
        project: row of the table of projects.
        column: `config` or `summary`.
        keys: that `can_cut`.

    Returns:
        The entries; an entry that is null is as if it were absent. None if the database cannot read them.
    """
    query = _extracted(column, keys) if connection.dialect.name == "sqlite" else _aggregated(column, keys)
    rows = _asked(connection, query.where(runs.c.project_id == project))
    if rows is None:
        return None
    if connection.dialect.name != "sqlite":
        return {number: read_json(text or "{}") for number, text in rows}
    return {number: text and dict(zip(keys, read_json(text), strict=False)) for number, text in rows}


def outer_keys(connection: Connection, project: int, column: Column[str]) -> set[str] | None:
    """The keys of the outermost level that runs of a project have; None if a run has some that cannot be read."""
    each = _each(connection, column)
    query = select(each.c.key).distinct().select_from(runs.join(each, literal(value=True)))
    rows = _asked(connection, query.where(runs.c.project_id == project))
    found = None if rows is None else {key for (key,) in rows}
    return None if found is None or _UNREAD in found else found


def has_objects(connection: Connection, project: int, column: Column[str], but_for: Collection[str]) -> bool:
    """Whether a run may have an object within an object, besides the one that W&B's client puts around a setting.

    Args:
        connection: a transaction.
        project: row of the table of projects.
        column: `config` or `summary`.
        but_for: keys of the outermost level that are no matter.
    """
    each, is_lite = _each(connection, column), connection.dialect.name == "sqlite"
    kind = each.c.type if is_lite else func.json_typeof(each.c.value)
    asked = [kind == "object", each.c.key.not_in(but_for)]
    if column.name == "config":
        text = each.c.value if is_lite else func.replace(cast(each.c.value, Text), " ", "")
        asked.append(text.like('%"value":{%') | text.not_like('%"value":%'))
    query = select(literal(1)).select_from(runs.join(each, literal(value=True)))
    rows = _asked(connection, query.where(runs.c.project_id == project, *asked).limit(1))
    return rows is None or bool(rows)


def _extracted(column: Column[str], keys: Sequence[str]) -> Any:
    """With a second path SQLite gives a list of values as they were sent; of one it makes a number or a text."""
    paths = [f'$."{key}"' for key in keys]
    return select(runs.c.id, case((func.json_valid(column), func.json_extract(column, *paths, "$.none"))))


def _aggregated(column: Column[str], keys: Sequence[str]) -> Any:
    each = func.json_each(cast(column, JSON)).table_valued("key", "value")
    found = select(cast(func.json_object_agg(each.c.key, each.c.value), Text)).where(each.c.key.in_(keys))
    return select(runs.c.id, found.correlate(runs).scalar_subquery())


def _each(connection: Connection, column: Column[str]) -> Any:
    if connection.dialect.name == "sqlite":
        return func.json_each(case((func.json_valid(column), column), else_="[0]")).table_valued("key", "value", "type")
    return func.json_each(cast(column, JSON)).table_valued("key", "value")


def _asked(connection: Connection, query: Any) -> Sequence[Any] | None:
    """The rows; None where PostgreSQL finds a text that a server of before has kept, and that is no JSON."""
    try:
        with connection.begin_nested():
            return connection.execute(query).all()
    except DataError:
        return None
