"""Reading what runs logged: pages, samples, chosen keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from kag.number import number, sound_json, sound_text
from kag.server.arguments import json_object
from kag.server.faults import Fault
from kag.server.runs import of_stream
from kag.server.store import count as count_rows
from kag.server.tables import HISTORY, lines

MAX_SAMPLES = 100_000
"""Rows of one answer."""
MAX_KEYS = 10_000
"""Keys that are asked for at once."""
LONGEST_KEY = 1_000
"""Letters of a key that is asked for."""
CHUNK = 5_000
"""Rows that are in memory at once where all are read."""
IN_ORDER = (lines.c.step, lines.c.line, lines.c.writer)
"""Writers of one run have lines of the same step and number: without a name for each, pages would not join."""


def page(
    connection: Connection,
    run_id: int,
    *,
    low: int | None,
    high: int | None,
    limit: int | None = None,
    stream: int = HISTORY,
) -> list[str]:
    """Lines of the history with low <= step < high, in order of step."""
    query = _bodies(run_id, stream).limit(limit)
    if low is not None:
        query = query.where(lines.c.step >= low)
    if high is not None:
        query = query.where(lines.c.step < high)
    return [sound_text(body) for body in connection.execute(query).scalars().all()]


def scanned(connection: Connection, run_id: int) -> Iterator[str]:
    """Every line of the history in order of step, however many there are; they are never in memory together."""
    query = _bodies(run_id, HISTORY).execution_options(yield_per=CHUNK)
    return map(sound_text, connection.execute(query).scalars())


def _bodies(run_id: int, stream: int) -> Select[Any]:
    return select(lines.c.body).where(of_stream(run_id, stream)).order_by(*IN_ORDER)


def is_page(low: int | None, high: int | None, count: int) -> bool:
    """Whether steps low <= step < high are one page of a scan: then no row may be left out, however many each has."""
    return low is not None and high is not None and high - low <= count


def sample(connection: Connection, run_id: int, stream: int, count: int) -> list[str]:
    """At most `count` lines, evenly spread, the first and the last among them."""
    total = count_rows(connection, lines, of_stream(run_id, stream))
    if total <= count:
        return page(connection, run_id, stream=stream, low=None, high=None)
    numbered = func.row_number().over(order_by=IN_ORDER).label("position")
    rows = select(lines.c.body, (numbered - 1).label("position")).where(of_stream(run_id, stream)).subquery()
    query = select(rows.c.body).where(_is_spread(rows.c.position, total, count)).order_by(rows.c.position)
    return [sound_text(body) for body in connection.execute(query).scalars().all()]


def spread(total: int, count: int) -> list[int]:
    """`count` of the positions 0 ... total - 1, evenly spread, first and last included."""
    count = min(count, total)
    if count < 2:
        return list(range(count))
    last, gaps = total - 1, count - 1
    return [(2 * number * last + gaps) // (2 * gaps) for number in range(count)]


def _is_spread(position: ColumnElement[int], total: int, count: int) -> ColumnElement[bool]:
    """Whether a position is one that `spread` gives, of more than it gives: where the nearest of them is rounded to."""
    if count < 2:
        return position < count
    last, gaps = total - 1, count - 1
    nearest = (2 * position * gaps + last) // (2 * last)
    return position == (2 * nearest * last + gaps) // (2 * gaps)


def sampled_keys(connection: Connection, run_id: int, spec_text: Any) -> list[dict[str, Any]]:
    """Rows that have all the keys of a spec `{keys, samples, minStep, maxStep}`, these keys only, evenly sampled.

    Raises:
        Fault: the spec is none.
    """
    spec = spec_text if isinstance(spec_text, Mapping) else json_object("a history spec", spec_text)
    keys = spec.get("keys") or []
    if not isinstance(keys, list) or len(keys) > MAX_KEYS or not all(isinstance(key, str) for key in keys):
        raise Fault(f"keys of a history spec must be at most {MAX_KEYS} words")
    keys = [checked_key(key) for key in keys]
    low, last = _bound(spec.get("minStep")), _bound(spec.get("maxStep"))
    count = _bound(spec.get("samples"))
    high = _behind(low, last, count)
    bodies = page(connection, run_id, low=low, high=high)
    chosen = (_chosen(json.loads(body), keys) for body in bodies) if keys else ()
    found: list[Any] = [row for row in chosen if row is not None] if keys else bodies
    if not is_page(low, last, 0 if count is None else count):
        found = [found[index] for index in spread(len(found), 500 if count is None else count)]
    return found if keys else [json.loads(body) for body in found]


def _behind(low: int | None, last: int | None, count: int | None) -> int | None:
    """The step behind the last one that a spec means.

    Clients up to 0.23 ask for `samples` steps from minStep and give the step behind them as maxStep; newer ones give
    the last step itself.
    """
    if last is None or (low is not None and last - low == count):
        return last
    return last + 1


def _bound(value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not abs(value) <= 2**62:
        raise Fault("a bound of a history spec must be a number")
    return int(value)


def _chosen(row: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any] | None:
    reached = {key: reach(row, key) for key in keys}
    return {key: value for key, (_, value) in reached.items()} if all(found for found, _ in reached.values()) else None


def checked_key(key: str) -> str:
    """A dotted key of a request, or a Fault: to look for one costs the square of its length."""
    if len(key) > LONGEST_KEY:
        raise Fault(f"a key may have {LONGEST_KEY} characters at most")
    return key


def reach(tree: Any, key: str) -> tuple[bool, Any]:
    """A value by its dotted key, where keys themselves may hold dots."""
    if not isinstance(tree, Mapping):
        return False, None
    if key in tree:
        return True, tree[key]
    dots = (place for place, letter in enumerate(key) if letter == ".")
    reached = (reach(tree[key[:dot]], key[dot + 1 :]) for dot in dots if key[:dot] in tree)
    return next((one for one in reached if one[0]), (False, None))


def metric_values(connection: Connection, run_id: int, metric: str) -> tuple[float, ...]:
    """The logged numbers of one key, in order."""
    word = metric.split(".")[0].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    query = _bodies(run_id, HISTORY).where(lines.c.body.like(f"%{word}%", escape="\\"))
    bodies = connection.execute(query).scalars()
    found = (number(reach(sound_json(body)[0], metric)[1]) for body in bodies)
    return tuple(value for value in found if value is not None)
