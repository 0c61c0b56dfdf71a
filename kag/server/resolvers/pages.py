"""Lists as Relay connections, page by page."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Select

from kag.server.arguments import Arguments
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node, Resolver
from kag.server.order import Place, placed
from kag.server.store import all_rows

MAX_PAGE = 10_000


def connection(kind: str, nodes: Sequence[Node], arguments: Arguments, places: Sequence[Place] | None = None) -> Node:
    """One page of a list as a Relay connection.

    Args:
        kind: of the connection.
        nodes: the whole list.
        arguments: `first`, and `after` or `cursor`.
        places: one for each node, in rising order. A cursor is the place of the last node that was seen, so that who
            deletes what the list shows still sees the rest. None: the list is of what nobody removes.
    """
    places = places if places is not None else [[position] for position in range(1, len(nodes) + 1)]
    seen = place_of(arguments.get("after") or arguments.get("cursor"))
    first = arguments.get("first")
    if first is not None and (not isinstance(first, int) or not 0 <= first <= MAX_PAGE):
        raise Fault(f"`first` must be a whole number up to {MAX_PAGE}")
    start = _behind(places, seen)
    end = len(nodes) if first is None else min(start + first, len(nodes))
    cursors = [_cursor(place) for place in places[start:end]]
    shown = zip(nodes[start:end], cursors, strict=True)
    edges = [Node(f"{kind}Edge", {"node": node, "cursor": cursor}) for node, cursor in shown]
    last = cursors[-1] if cursors else _cursor(seen) if seen else None
    page = {"endCursor": last, "hasNextPage": end < len(nodes)}
    value = {"edges": edges, "pageInfo": Node("PageInfo", page), "totalCount": len(nodes)}
    return Node(f"{kind}Connection", value)


def _behind(places: Sequence[Place], seen: Place) -> int:
    try:
        return bisect_right(places, seen)
    except TypeError as error:
        raise Fault("this cursor is of another list") from error


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place_of(cursor: Any) -> Place:
    """The place of a cursor; a Fault if it is none of ours."""
    if not cursor:
        return []
    try:
        place = json.loads(base64.urlsafe_b64decode(str(cursor).encode()))
    except (ValueError, RecursionError) as error:
        raise Fault("this cursor was not made here") from error
    if not isinstance(place, list):
        raise Fault("this cursor was not made here")
    return place


def cursor_of(text: Any) -> int:
    """The position of a cursor; a Fault if it is none of ours."""
    if not text:
        return 0
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 9:
        raise Fault("this cursor was not made here")
    return int(text)


def listed(kind: str, query: Callable[[Any], Select[Any]], node: str = "", newest: bool = False) -> Resolver[Context]:
    """A resolver that gives the rows that belong to a row as a connection, in the order of their ids.

    Args:
        kind: of the connection.
        query: of a row, for the rows that belong to it.
        node: type of the objects in it, where it is another one.
        newest: the newest first.
    """

    def resolve(context: Context, row: Any, arguments: Arguments) -> Node:
        found = placed(all_rows(context.connection, query(row)), {}, {}, last="id", newest=newest)
        nodes = [Node(node or kind, one) for _, one in found]
        return connection(kind, nodes, arguments, [place for place, _ in found])

    return resolve
