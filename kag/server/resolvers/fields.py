"""Fields that give a column of a row, as it is or as a time, or a constant; and resolvers that most types have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from kag.server.arguments import Arguments
from kag.server.context import Context, encode_id
from kag.server.graphql import Node, Resolver

Fields = dict[str, Resolver[Context]]


def column(name: str) -> Resolver[Context]:
    """A resolver that gives a column of the row as it is."""
    return lambda context, row, arguments: row[name]


def columns(*same: str, **others: str) -> Fields:
    """Fields that give a column of the row as it is: of the same name, or of another one."""
    return {name: column(name) for name in same} | {name: column(other) for name, other in others.items()}


def constant(value: Any) -> Resolver[Context]:
    """A resolver that always gives the same."""
    return lambda context, row, arguments: value


def constants(**values: Any) -> Fields:
    """Fields that always give the same."""
    return {name: constant(value) for name, value in values.items()}


def moments(**columns: str) -> Fields:
    """Fields that give a column of seconds as a time, or null."""

    def moment(name: str) -> Resolver[Context]:
        return lambda context, row, arguments: None if row[name] is None else time_text(row[name])

    return {field: moment(name) for field, name in columns.items()}


def identifier(kind: str) -> Resolver[Context]:
    """A resolver that gives the opaque id of a row of this kind."""
    return lambda context, row, arguments: encode_id(kind, row["id"])


def optional(kind: str, find: Callable[[Context, Any, Arguments], Any]) -> Resolver[Context]:
    """A resolver that gives what a function finds as an object of a type; null where it finds None."""

    def resolve(context: Context, row: Any, arguments: Arguments) -> Node | None:
        value = find(context, row, arguments)
        return None if value is None else Node(kind, value)

    return resolve


def time_text(seconds: float) -> str:
    """UTC, to the second, in the form that the client reads."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
