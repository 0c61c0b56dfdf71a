"""Lists as Relay connections, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select

from kag.server.arguments import Arguments, text
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node, Resolver
from kag.server.store import all_rows

MAX_PAGE = 10_000


def connection(kind: str, nodes: Sequence[Node], arguments: Arguments) -> Node:
    """One page of a list as a Relay connection; a cursor is a position."""
    start = cursor_of(arguments.get("after") or arguments.get("cursor"))
    first = arguments.get("first")
    if first is not None and (not isinstance(first, int) or not 0 <= first <= MAX_PAGE):
        raise Fault(f"`first` must be a whole number up to {MAX_PAGE}")
    end = len(nodes) if first is None else min(start + first, len(nodes))
    shown = enumerate(nodes[start:end], start + 1)
    edges = [Node(f"{kind}Edge", {"node": node, "cursor": str(position)}) for position, node in shown]
    page = {"endCursor": str(max(start, end)), "hasNextPage": end < len(nodes)}
    value = {"edges": edges, "pageInfo": Node("PageInfo", page), "totalCount": len(nodes)}
    return Node(f"{kind}Connection", value)


def cursor_of(text: Any) -> int:
    """The position of a cursor; a Fault if it is none of ours."""
    if not text:
        return 0
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 9:
        raise Fault("this cursor was not made here")
    return int(text)


def listed(kind: str, query: Callable[[Any], Select[Any]], node: str = "") -> Resolver[Context]:
    """A resolver that gives the rows that belong to a row as a connection.

    Args:
        kind: of the connection.
        query: of a row, for the rows that belong to it.
        node: type of the objects in it, where it is another one.
    """

    def resolve(context: Context, row: Any, arguments: Arguments) -> Node:
        found = all_rows(context.connection, query(row))
        return connection(kind, [Node(node or kind, one) for one in found], arguments)

    return resolve


def ordering(arguments: Arguments, known: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """What a list is ordered by first: `order` names one of some columns, with - before it for the largest first.

    Raises:
        Fault: it names none of them.
    """
    order = text(arguments, "order")
    if not order:
        return []
    column = known.get(order.lstrip("+-"))
    if column is None:
        raise Fault(f"this list can be ordered by {', '.join(known)}, not by {order!r}")
    return [column.desc() if order.startswith("-") else column]
