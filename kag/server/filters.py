"""The run filters of `wandb.Api().runs(...)`: a MongoDB expression over runs, and the order of the result."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping

from kag.number import number, sound_json
from kag.server import patterns
from kag.server.faults import Fault
from kag.server.history import checked_key, reach
from kag.server.keyset import Place
from kag.server.order import rank, words

MAX_DEPTH = 40

_TIMES = ("created_at", "heartbeat_at")
_TEXTS = ("name", "display_name", "description", "notes", "job_type", "user", "host", "commit", "sweep_name")
COLUMNS = {name: name for name in (*_TIMES, *_TEXTS)} | {
    "group": "group_name",
    "username": "user",
    "sweep": "sweep_name",
    "updated_at": "heartbeat_at",
}
_TREES = {"summary": "summary", "summary_metrics": "summary", "config": "config", "keys_info": "history_keys"}
"""First word of a dotted key -> column of JSON."""


_QUOTED = re.compile(r"""\[(['"])(.*?)\1\]""")


def _dotted(key: str) -> str:
    """A key with dots alone: `summary_metrics['a/b']` is written for `summary_metrics.a/b`."""
    return _QUOTED.sub(r".\2", key)


def snake(key: str) -> str:
    """A key as the database writes it: clients write `createdAt` and `created_at`."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def _column(key: str) -> str | None:
    """The column that holds what a key names; None for what is worked out, and for what no run has."""
    head = snake(_dotted(checked_key(key)).partition(".")[0])
    return "tags" if head == "tags" else _TREES.get(head, COLUMNS.get(snake(key)))


def reads(expression: Any, order: Any) -> set[str]:
    """The columns that a filter and an order look at, besides those of state and times."""
    keys = [*_keys(expression), *(key for key, _ in words(order))]
    return {column for column in map(_column, keys) if column is not None}


def asks_state(expression: Any, order: Any) -> bool:
    """Whether a filter or an order looks at the state, which changes when a run falls silent."""
    return "state" in [*_keys(expression), *(key for key, _ in words(order))]


def _keys(expression: Any) -> Iterator[str]:
    for key, wanted in expression.items() if isinstance(expression, Mapping) else ():
        if not key.startswith("$"):
            yield key
        for one in wanted if isinstance(wanted, list) else [wanted]:
            yield from _keys(one) if key.startswith("$") else ()


class RunView:
    """A run as a filter sees it.

    Args:
        row: the run, with `sweep_name`.
        state: as shown.
    """

    def __init__(self, row: RowMapping, state: str) -> None:
        self.row = row
        self.state = state
        self._trees: dict[str, dict[str, Any]] = {}

    def _tree(self, column: str) -> dict[str, Any]:
        if column not in self._trees:
            self._trees[column] = sound_json(self.row[column])[0]
        return self._trees[column]

    def get(self, key: str) -> tuple[bool, Any]:
        """Whether the run has a value at a key, and the value."""
        head, _, rest = _dotted(checked_key(key)).partition(".")
        if key == "state":
            return True, self.state
        if key == "duration":
            return True, self.row["heartbeat_at"] - self.row["created_at"]
        if head == "tags":
            tags = json.loads(self.row["tags"])
            return True, rest in tags if rest else tags
        tree, column = _TREES.get(snake(head)), COLUMNS.get(snake(key))
        if tree == "config" and rest:
            return self._configured(rest)
        if tree is not None and (rest or tree == "history_keys"):
            return reach(self._tree(tree), rest)
        if column is None:
            raise Fault(f"runs cannot be filtered or ordered by {key!r}")
        return self.row[column] is not None, self.row[column]

    def _configured(self, key: str) -> tuple[bool, Any]:
        """The client writes `config.lr`, `config.lr.value` and `config.a.b` for `{"a": {"value": {"b": ...}}}`."""
        config = self._tree("config")
        flat = {name: one["value"] for name, one in config.items() if isinstance(one, dict) and "value" in one}
        for candidate in (key, key.removesuffix(".value"), key.replace(".value.", ".", 1)):
            found, value = reach(flat, candidate)
            if found:
                return found, value
        return False, None


def matches(view: RunView, expression: Any, depth: int = 0) -> bool:
    """Whether a run fits a filter.

    Raises:
        Fault: the filter is malformed or names what no run has.
    """
    if depth > MAX_DEPTH or not isinstance(expression, Mapping):
        raise Fault("a filter must be an object, not nested beyond measure")
    return all(_holds(view, key, wanted, depth) for key, wanted in expression.items())


def _holds(view: RunView, key: str, wanted: Any, depth: int) -> bool:
    if key in ("$and", "$or", "$nor"):
        if not isinstance(wanted, Sequence) or isinstance(wanted, str):
            raise Fault(f"{key} needs a list")
        results = [matches(view, one, depth + 1) for one in wanted]
        return all(results) if key == "$and" else any(results) is (key == "$or")
    if key == "$not":
        return not matches(view, wanted, depth + 1)
    if key.startswith("$"):
        raise Fault(f"no operator {key}")
    found, value = view.get(key)
    if COLUMNS.get(snake(key)) in _TIMES:
        wanted = times(wanted)
    return compare(found, value, wanted, depth)


def times(wanted: Any) -> Any:
    """What a time is compared with, as seconds.

    Raises:
        Fault: it is no time.
    """
    if isinstance(wanted, Mapping):
        return {name: times(value) for name, value in wanted.items()}
    if isinstance(wanted, str):
        try:
            moment = datetime.fromisoformat(wanted)
        except ValueError as error:
            raise Fault(f"{wanted!r} is no time") from error
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return wanted


def compare(found: bool, value: Any, wanted: Any, depth: int = 0) -> bool:
    """Whether a value fits a plain value or an object of operators."""
    if depth > MAX_DEPTH:
        raise Fault("a filter is nested beyond measure")
    if not isinstance(wanted, Mapping) or not any(str(key).startswith("$") for key in wanted):
        return _equal(value, wanted)
    return all(_operate(name, found, value, operand, depth) for name, operand in wanted.items())


_ORDERS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def _operate(name: str, found: bool, value: Any, operand: Any, depth: int) -> bool:
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise Fault(f"{name} needs a list")
        return any(_equal(value, one) for one in operand) is (name == "$in")
    if name == "$not":
        return not compare(found, value, operand, depth + 1)
    if name == "$regex":
        return patterns.search(operand, value if isinstance(value, str) else "") and isinstance(value, str)
    if name in ("$eq", "$ne"):
        return _equal(value, operand) is (name == "$eq")
    if name == "$exists":
        return found is bool(operand)
    if name in _ORDERS:
        return _ordered(value, operand, _ORDERS[name])
    if name == "$all":
        if not isinstance(operand, list):
            raise Fault("$all needs a list")
        return bool(operand) and all(_equal(value, one) for one in operand)
    if name == "$size":
        return isinstance(value, list) and len(value) == _whole(name, operand)
    if name == "$mod":
        return _remains(value, operand)
    raise Fault(f"no operator {name}")


def _whole(name: str, operand: Any) -> int:
    if isinstance(operand, bool) or not isinstance(operand, (int, float)) or operand != operand // 1:
        raise Fault(f"{name} needs whole numbers")
    return int(operand)


def _remains(value: Any, operand: Any) -> bool:
    """Whether a number leaves a remainder: it is cut to a whole one, and the remainder has its sign."""
    if not isinstance(operand, list) or len(operand) != 2:
        raise Fault("$mod needs a list of divisor and remainder")
    divisor, remainder = (_whole("$mod", one) for one in operand)
    if divisor == 0:
        raise Fault("$mod cannot divide by 0")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    left = abs(int(value)) % abs(divisor)
    return (left if value >= 0 else -left) == remainder


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) and not isinstance(wanted, list):
        return wanted in value
    if isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def _ordered(value: Any, operand: Any, holds: Callable[[Any, Any], bool]) -> bool:
    mine, other = number(value), number(operand)
    if mine is not None and other is not None:
        return holds(mine, other)
    return isinstance(value, str) and isinstance(operand, str) and holds(value, operand)


def place(view: RunView, order: Any) -> Place:
    """Where a run stands in the order `+key` or `-key`: the one with the smaller place comes first.

    A run without the key comes last either way, ties by age.

    Raises:
        Fault: the order is malformed.
    """
    ranks = [rank(view.get(key)[1], falling=falling, is_text=_is_text(key)) for key, falling in words(order)]
    return [*ranks, view.row["created_at"], view.row["id"]]


def _is_text(key: str) -> bool:
    """Whether a key names a column of texts."""
    return key == "state" or COLUMNS.get(snake(key), "created_at") not in _TIMES
