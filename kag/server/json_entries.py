"""Entries of the JSON that runs hold, cut out by SQLite: of a hundred settings a question is about one or two.

What it says is the text that the client sent; what that means is said by whoever reads it. SQLite looks through ten
thousand runs so in a tenth of the time that it takes to read them. (PostgreSQL takes as long as reading them does: it
keeps long texts compressed, and inflates and parses them for every question anew.) Of a key that stands twice in one
object, which no client sends, the first counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, TableValuedAlias, case, func, literal, select

from kag.number import read_json
from kag.server.tables import runs

Cut = Mapping[int, Mapping[str, Any] | None]
"""Row of the table of runs -> its entries of the keys that were asked for; None where the text is to be read whole."""

_UNREAD = 0
"""The key that stands for those of a text that SQLite does not read: no object of JSON has a number for a key."""


def cuts(connection: Connection) -> bool:
    """Whether a database is one that does this."""
    return connection.dialect.name == "sqlite"


def can_cut(key: str) -> bool:
    """Whether a key can be written in a path; texts may spell other letters in several ways."""
    return key.isascii() and key.isprintable() and not set(key) & set('"\\<>&')


def entries(connection: Connection, project: int, column: Column[str], keys: Sequence[str]) -> Cut:
    """What the runs of a project have at keys of the outermost level; null is as if it were absent.

    Args:
        connection: a transaction.
        project: row of the table of projects.
        column: `config` or `summary`.
        keys: that `can_cut`.
    """
    # With a second path it is a list of values as they were sent; with one alone a number, or a text.
    found = func.json_extract(column, *(f'$."{key}"' for key in keys), "$.none")
    query = select(runs.c.id, case((func.json_valid(column), found))).where(runs.c.project_id == project)
    return {
        number: text and dict(zip(keys, read_json(text), strict=False)) for number, text in connection.execute(query)
    }


def outer_keys(connection: Connection, project: int, column: Column[str]) -> set[str] | None:
    """The keys of the outermost level that runs of a project have; None if a run has some that cannot be read."""
    each = _each(column)
    query = select(each.c.key).distinct().select_from(runs.join(each, literal(value=True)))
    found = set(connection.execute(query.where(runs.c.project_id == project)).scalars())
    return None if _UNREAD in found else found


def has_objects(connection: Connection, project: int, column: Column[str], but_for: Collection[str]) -> bool:
    """Whether a run may have an object within an object, besides the one that W&B's client puts around a setting.

    Args:
        connection: a transaction.
        project: row of the table of projects.
        column: `config` or `summary`.
        but_for: keys of the outermost level that are no matter.
    """
    each = _each(column)
    asked = [each.c.type == "object", each.c.key.not_in(but_for)]
    if column.name == "config":
        asked.append(each.c.value.like('%"value":{%') | each.c.value.not_like('%"value":%'))
    query = select(literal(1)).select_from(runs.join(each, literal(value=True)))
    return connection.execute(query.where(runs.c.project_id == project, *asked).limit(1)).first() is not None


def _each(column: Column[str]) -> TableValuedAlias:
    """The entries of a text, each a row; what is within them is written without blanks."""
    readable = case((func.json_valid(column), column), else_=f"[{_UNREAD}]")
    return func.json_each(readable).table_valued("key", "value", "type")
