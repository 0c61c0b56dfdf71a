"""The run filters of `wandb.Api().runs(...)`: a MongoDB expression over runs, and the order of the result."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import RowMapping

from kag.server.faults import Fault
from kag.server.history import reach

MAX_DEPTH = 40

_COLUMNS = {
    "name": "name",
    "display_name": "display_name",
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "group": "group_name",
    "job_type": "job_type",
    "jobType": "job_type",
    "username": "user",
    "user": "user",
    "host": "host",
    "commit": "commit",
    "sweep": "sweep_name",
    "sweep_name": "sweep_name",
    "created_at": "created_at",
    "createdAt": "created_at",
    "heartbeat_at": "heartbeat_at",
    "heartbeatAt": "heartbeat_at",
    "updatedAt": "heartbeat_at",
    "updated_at": "heartbeat_at",
}


class RunView:
    """A run as a filter sees it.

    Args:
        row: the run, with `sweep_name`.
        state: as shown.
    """

    def __init__(self, row: RowMapping, state: str) -> None:
        self.row = row
        self.state = state

    @cached_property
    def _config(self) -> dict[str, Any]:
        return dict(json.loads(self.row["config"]))

    @cached_property
    def _summary(self) -> dict[str, Any]:
        return dict(json.loads(self.row["summary"]))

    @cached_property
    def _history_keys(self) -> dict[str, Any]:
        return dict(json.loads(self.row["history_keys"]))

    def get(self, key: str) -> tuple[bool, Any]:
        """Whether the run has a value at a key, and the value."""
        head, _, rest = key.partition(".")
        if key == "state":
            return True, self.state
        if key == "tags":
            return True, json.loads(self.row["tags"])
        if head == "tags":
            return True, rest in json.loads(self.row["tags"])
        if head in ("summary_metrics", "summaryMetrics", "summary") and rest:
            return reach(self._summary, rest)
        if head == "config" and rest:
            return self._configured(rest)
        if head == "keys_info":
            return reach(self._history_keys, rest)
        if key in _COLUMNS:
            value = self.row[_COLUMNS[key]]
            return value is not None, value
        raise Fault(f"runs cannot be filtered or ordered by {key!r}")

    def _configured(self, key: str) -> tuple[bool, Any]:
        """The client writes `config.lr`, `config.lr.value` and `config.a.b` for `{"a": {"value": {"b": ...}}}`."""
        flat = {name: one["value"] for name, one in self._config.items() if isinstance(one, dict) and "value" in one}
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
    if key in ("created_at", "createdAt", "heartbeat_at", "heartbeatAt", "updatedAt", "updated_at"):
        wanted = _times(wanted)
    return compare(found, value, wanted, depth)


def _times(wanted: Any) -> Any:
    """Times are compared as seconds."""
    if isinstance(wanted, Mapping):
        return {operator: _times(value) for operator, value in wanted.items()}
    if isinstance(wanted, str):
        try:
            moment = datetime.fromisoformat(wanted)
        except ValueError as error:
            raise Fault(f"{wanted!r} is no time") from error
        from datetime import UTC

        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return wanted


def compare(found: bool, value: Any, wanted: Any, depth: int = 0) -> bool:
    """Whether a value fits a plain value or an object of operators."""
    if depth > MAX_DEPTH:
        raise Fault("a filter is nested beyond measure")
    if not isinstance(wanted, Mapping) or not any(str(key).startswith("$") for key in wanted):
        return _equal(value, wanted)
    return all(_operate(operator, found, value, operand, depth) for operator, operand in wanted.items())


def _operate(operator: str, found: bool, value: Any, operand: Any, depth: int) -> bool:
    if operator in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise Fault(f"{operator} needs a list")
        return any(_equal(value, one) for one in operand) is (operator == "$in")
    if operator == "$not":
        return not compare(found, value, operand, depth + 1)
    if operator == "$regex":
        return isinstance(value, str) and _pattern(operand).search(value) is not None
    simple: dict[str, Callable[[], bool]] = {
        "$eq": lambda: _equal(value, operand),
        "$ne": lambda: not _equal(value, operand),
        "$exists": lambda: found is bool(operand),
        "$gt": lambda: _ordered(value, operand, lambda a, b: a > b),
        "$gte": lambda: _ordered(value, operand, lambda a, b: a >= b),
        "$lt": lambda: _ordered(value, operand, lambda a, b: a < b),
        "$lte": lambda: _ordered(value, operand, lambda a, b: a <= b),
    }
    if operator not in simple:
        raise Fault(f"no operator {operator}")
    return simple[operator]()


def _pattern(text: Any) -> re.Pattern[str]:
    """Only a short pattern without nested repeats: matching must not take for ever."""
    if not isinstance(text, str) or len(text) > 200 or re.search(r"[*+}]\)?[*+{]|\([^)]*[*+}][^)]*\)[*+{]", text):
        raise Fault("$regex needs a text of at most 200 characters without repeated repeats")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise Fault(f"no regular expression: {text!r}") from error


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, list) and not isinstance(wanted, list):
        return wanted in value
    if isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def _ordered(value: Any, operand: Any, holds: Callable[[Any, Any], bool]) -> bool:
    numbers = isinstance(value, (int, float)) and isinstance(operand, (int, float))
    return (numbers or (isinstance(value, str) and isinstance(operand, str))) and holds(value, operand)


def ordered(views: Sequence[RunView], order: Any) -> list[RunView]:
    """Runs in the order `+key` or `-key`; a run without the key comes last either way, ties by age.

    Raises:
        Fault: the order is malformed.
    """
    if not order:
        return list(views)
    if not isinstance(order, str):
        raise Fault("an order must be a text")
    result = list(views)
    for part in reversed([word.strip() for word in order.split(",") if word.strip()]):
        key = part.lstrip("+-")
        ranked = [(view, _rank(view.get(key))) for view in result]
        known = [pair for pair in ranked if pair[1] is not None]
        known.sort(key=lambda pair: pair[1] or (0, 0.0, ""), reverse=part.startswith("-"))
        result = [view for view, _ in known] + [view for view, rank in ranked if rank is None]
    return result


def _rank(entry: tuple[bool, Any]) -> tuple[int, float, str] | None:
    found, value = entry
    if not found or value is None:
        return None
    if isinstance(value, (int, float)):
        return None if math.isnan(value) else (0, float(value), "")
    return (1, 0.0, value if isinstance(value, str) else json.dumps(value, sort_keys=True))
