"""Lists as Relay connections, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kag.server.arguments import Arguments
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node, Registry
from kag.server.resolvers.fields import column

MAX_PAGE = 10_000


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


def connection_types(kind: str) -> Registry[Context]:
    """The registry entries of one connection."""
    return {
        f"{kind}Connection": {name: column(name) for name in ("edges", "pageInfo", "totalCount")},
        f"{kind}Edge": {name: column(name) for name in ("node", "cursor")},
    }
