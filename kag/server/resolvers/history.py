"""The history of a run: whole, by page, by sample."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, select

from kag.number import sound_json
from kag.server.arguments import Arguments
from kag.server.context import Context
from kag.server.faults import Fault
from kag.server.graphql import Node, Registry, Resolver
from kag.server.history import MAX_SAMPLES, is_page, page, sample, sampled_keys
from kag.server.resolvers.fields import columns, constant, constants
from kag.server.resolvers.pages import cursor_of
from kag.server.runs import line_offsets, of_stream, tail
from kag.server.store import all_rows, count
from kag.server.tables import EVENTS, HISTORY, OUTPUT, lines

PAGE = 500


def _whole(arguments: Arguments, name: str, default: int | None) -> int | None:
    value = arguments.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -(2**62) < value < 2**63:
        raise Fault(f"{name} must be a whole number")
    return min(int(value), 2**62)


def _history(context: Context, row: RowMapping, arguments: Arguments) -> list[str]:
    low, high = _whole(arguments, "minStep", None), _whole(arguments, "maxStep", None)
    count = max(_whole(arguments, "samples", PAGE) or PAGE, 1)
    if low is None and high is None:
        return sample(context.connection, row["id"], HISTORY, count)
    limit = MAX_SAMPLES if is_page(low, high, count) else min(count, MAX_SAMPLES)
    return page(context.connection, row["id"], low=low, high=high, limit=limit)


def _events(context: Context, row: RowMapping, arguments: Arguments) -> list[str]:
    return sample(context.connection, row["id"], EVENTS, max(_whole(arguments, "samples", PAGE) or PAGE, 1))


def _sampled(context: Context, row: RowMapping, arguments: Arguments) -> list[Any]:
    given = arguments.get("specs") or []
    specs = given if isinstance(given, list) else [given]
    return [sampled_keys(context.connection, row["id"], spec) for spec in specs]


def _keys(context: Context, row: RowMapping, arguments: Arguments) -> Any:
    return sound_json(row["history_keys"])[0] or {"keys": {}, "lastStep": -1, "sets": []}


def _tail(stream: int) -> Any:
    return lambda context, row, arguments: json.dumps(tail(context.connection, row["id"], stream))


def _line_count(stream: int) -> Resolver[Context]:
    offsets = line_offsets(stream)
    return lambda context, row, arguments: context.batches.get("run", row["id"], offsets)


def _log_lines(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    query = select(lines.c.line, lines.c.body).where(of_stream(row["id"], OUTPUT))
    last, start = _whole(arguments, "last", None), 0
    if last is not None:
        newest = query.order_by(lines.c.line.desc(), lines.c.writer.desc()).limit(max(min(last, 10_000), 0))
        found, more = list(reversed(all_rows(context.connection, newest))), False
    else:
        first = min(max(_whole(arguments, "first", PAGE) or PAGE, 1), 10_000)
        start = cursor_of(arguments.get("after"))
        query = query.order_by(lines.c.line, lines.c.writer).offset(start).limit(first + 1)
        found = list(all_rows(context.connection, query))
        more, found = len(found) > first, found[:first]
    lines_shown = enumerate(found, start + 1)
    edges = [Node("LogLineEdge", {"node": Node("LogLine", one), "cursor": str(place)}) for place, one in lines_shown]
    end = str(start + len(found)) if found else None
    page_info = Node("PageInfo", {"endCursor": end, "hasNextPage": more})
    return Node("LogLineConnection", {"edges": edges, "pageInfo": page_info, "totalCount": len(edges)})


TYPES: Registry[Context] = {
    "Run": {
        "history": _history,
        "events": _events,
        "sampledHistory": _sampled,
        "parquetHistory": constant(Node("ParquetHistory", {"parquetUrls": [], "liveData": []})),
        "historyKeys": _keys,
        "historyLineCount": _line_count(HISTORY),
        "eventsLineCount": _line_count(EVENTS),
        "logLineCount": lambda context, row, arguments: count(context.connection, lines, of_stream(row["id"], OUTPUT)),
        "historyTail": _tail(HISTORY),
        "eventsTail": _tail(EVENTS),
        "logLines": _log_lines,
    },
    "LogLine": {**columns(number="line", line="body"), **constants(timestamp=None, level=None, label="")},
}
