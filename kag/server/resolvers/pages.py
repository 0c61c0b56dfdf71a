"""Lists as Relay connections, page by page."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import RowMapping, Select

from kag.server.arguments import Arguments
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node, Resolver
from kag.server.keyset import MAX_PAGE, Key, Place, behind, count_of, read_page
from kag.server.run_list import RunList

_KINDS = {
    "Run": "run",
    "Project": "project",
    "Sweep": "sweep",
    "Artifact": "artifact",
    "VersionedArtifact": "artifact",
    "ArtifactCollection": "collection",
    "ArtifactCollectionMembership": "membership",
}
"""Connection -> what the ids of its rows number."""


def connection(kind: str, nodes: Sequence[Node], arguments: Arguments, places: Sequence[Place] | None = None) -> Node:
    """One page of a list that is at hand, as a Relay connection.

    Args:
        kind: of the connection.
        nodes: the whole list.
        arguments: `first`, and `after` or `cursor`.
        places: one for each node, in rising order. None: the list is of what nobody removes.
    """
    places = places if places is not None else [[position] for position in range(1, len(nodes) + 1)]
    seen, first = _asked(arguments)
    start = behind(places, seen)
    end = len(nodes) if first is None else min(start + first, len(nodes))
    return _connection(kind, nodes[start:end], places[start:end], seen, more=end < len(nodes), total=lambda: len(nodes))


def queried(
    context: Context,
    kind: str,
    query: Select[Any],
    keys: Sequence[Key],
    arguments: Arguments,
    node: Callable[[RowMapping], Node] | None = None,
) -> Node:
    """One page of a query as a Relay connection.

    Args:
        context: of the request.
        kind: of the connection, and of its nodes if nothing else is said.
        query: for the whole list.
        keys: its order.
        arguments: `first`, and `after` or `cursor`.
        node: makes a row an object.
    """
    seen, first = _asked(arguments)
    page = read_page(context.connection, query, keys, seen=seen, first=first)
    nodes = [Node(kind, row) if node is None else node(row) for row in page.rows]
    context.batches.note(_KINDS.get(kind, kind), page.rows)
    total = partial(count_of, context.connection, query)
    return _connection(kind, nodes, page.places, seen, more=page.more, total=total)


def paged(context: Context, runs: RunList, arguments: Arguments) -> Node:
    """One page of runs as a Relay connection."""
    seen, first = _asked(arguments)
    page = runs.page(seen=seen, first=first)
    context.batches.note("run", page.rows)
    nodes = [Node("Run", row) for row in page.rows]
    return _connection("Run", nodes, page.places, seen, more=page.more, total=runs.count)


def _asked(arguments: Arguments) -> tuple[Place, int | None]:
    first = arguments.get("first")
    if first is not None and (not isinstance(first, int) or not 0 <= first <= MAX_PAGE):
        raise Fault(f"`first` must be a whole number up to {MAX_PAGE}")
    return place_of(arguments.get("after") or arguments.get("cursor")), first


def _connection(
    kind: str, nodes: Sequence[Node], places: Sequence[Place], seen: Place, *, more: bool, total: Callable[[], int]
) -> Node:
    cursors = [_cursor(place) for place in places]
    edges = [Node(f"{kind}Edge", {"node": node, "cursor": at}) for node, at in zip(nodes, cursors, strict=True)]
    last = cursors[-1] if cursors else _cursor(seen) if seen else None
    page = Node("PageInfo", {"endCursor": last, "hasNextPage": more})
    return Node(f"{kind}Connection", {"edges": edges, "pageInfo": page, "totalCount": total})


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
        found = query(row)
        keys = [Key(found.selected_columns["id"], newest)]
        return queried(context, kind, found, keys, arguments, partial(Node, node or kind))

    return resolve
