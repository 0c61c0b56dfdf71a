"""What the resolvers share: columns, times, pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node

Arguments = dict[str, Any]
MAX_PAGE = 10_000


def column(name: str) -> Callable[[Context, Any, Arguments], Any]:
    """A resolver that gives a column of the row as it is."""
    return lambda context, row, arguments: row[name]


def constant(value: Any) -> Callable[[Context, Any, Arguments], Any]:
    """A resolver that always gives the same."""
    return lambda context, row, arguments: value


def moment(name: str) -> Callable[[Context, Any, Arguments], Any]:
    """A resolver that gives a column of seconds as a time."""
    return lambda context, row, arguments: None if row[name] is None else time_text(row[name])


def time_text(seconds: float) -> str:
    """UTC, to the second, in the form that the client reads."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def connection(kind: str, nodes: Sequence[Node], arguments: Arguments) -> Node:
    """One page of a list as a Relay connection; a cursor is a position."""
    start = cursor_of(arguments.get("after") or arguments.get("cursor"))
    first = arguments.get("first")
    if first is not None and (not isinstance(first, int) or not 0 <= first <= MAX_PAGE):
        raise Fault(f"`first` must be a whole number up to {MAX_PAGE}")
    end = len(nodes) if first is None else min(start + first, len(nodes))
    edges = [
        Node(f"{kind}Edge", {"node": node, "cursor": str(start + i + 1)}) for i, node in enumerate(nodes[start:end])
    ]
    page = {"endCursor": str(max(start, end)), "hasNextPage": end < len(nodes)}
    value = {"edges": edges, "pageInfo": Node("PageInfo", page), "totalCount": len(nodes)}
    return Node(f"{kind}Connection", value)


def cursor_of(text: Any) -> int:
    """The position of a cursor.

    Raises:
        Fault: it is none.
    """
    if not text:
        return 0
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 9:
        raise Fault("this cursor was not made here")
    return int(text)


def connection_types(kind: str) -> dict[str, dict[str, Callable[[Context, Any, Arguments], Any]]]:
    """The registry entries of one connection."""
    return {
        f"{kind}Connection": {name: column(name) for name in ("edges", "pageInfo", "totalCount")},
        f"{kind}Edge": {name: column(name) for name in ("node", "cursor")},
    }


def entity_of(context: Context, arguments: Arguments) -> str:
    """The entity that a request means.

    Raises:
        Fault: it is no text.
    """
    entity = arguments.get("entityName") or arguments.get("entity") or context.settings.entity
    if not isinstance(entity, str):
        raise Fault("an entity is a text")
    return entity


def required(given: Arguments, name: str) -> Any:
    """An argument that must be there.

    Raises:
        Fault: it is missing.
    """
    value = given.get(name)
    if value is None:
        raise Fault(f"{name} is missing")
    return value


def input_of(arguments: Arguments) -> Arguments:
    """The `input` of a mutation.

    Raises:
        Fault: it is missing.
    """
    given = arguments.get("input")
    if not isinstance(given, dict):
        raise Fault("input is missing")
    return given
