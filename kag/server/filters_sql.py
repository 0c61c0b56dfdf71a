"""What of a filter and of an order of runs the database itself can say: all that is a column, not what lies in JSON.

What is said here holds for exactly the runs that `filters.matches` fits; the rest is left to it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, false, literal, not_, or_, true

from kag.number import number
from kag.server.context import SILENT, Patience
from kag.server.filters import COLUMNS, MAX_DEPTH, snake, times
from kag.server.keyset import Key
from kag.server.tables import runs, sweeps

ROOM = 3_000
"""Values that one statement compares with; what is beyond them is no database's business."""
TIMES = (runs.c.created_at, runs.c.heartbeat_at)
_ORDERS = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}
Condition = ColumnElement[bool]


class Split(NamedTuple):
    """A filter in two parts, both of which must hold."""

    said: Condition
    rest: dict[str, Any]
    """The part that the database cannot say."""


def shown_state(patience: Patience, now: float) -> ColumnElement[str]:
    """The state of a run as `Patience.shown_state` gives it."""
    if now - patience.since <= patience.crashed_after:
        return runs.c.state
    gone = and_(runs.c.state.in_(SILENT), literal(now) - runs.c.heartbeat_at > patience.crashed_after)
    ended = [(runs.c.state == living, state) for living, state in SILENT.items()]
    return case((and_(gone, runs.c.should_stop), "killed"), (gone, case(*ended)), else_=runs.c.state)


class Sayer:
    """What a database can say of runs.

    Args:
        connection: to it.
        patience: when a silent run counts as crashed.
        now: seconds since the epoch.
    """

    def __init__(self, connection: Connection, patience: Patience, now: float) -> None:
        self.connection = connection
        self.state = shown_state(patience, now)
        self.room = ROOM

    def column(self, key: str) -> ColumnElement[Any] | None:
        """What a key is in the database; None if it is none of its columns."""
        if key == "state":
            return self.state
        if key == "duration":
            return runs.c.heartbeat_at - runs.c.created_at
        name = COLUMNS.get(snake(key))
        return None if name is None else sweeps.c.name if name == "sweep_name" else runs.c[name]

    def split(self, expression: Any, depth: int = 0) -> Split:
        """A filter in the part that the database can say and the rest; what is no filter is all rest."""
        said: list[Condition] = []
        rest: dict[str, Any] = {}
        for key, wanted in expression.items():
            if key == "$and" and isinstance(wanted, list) and depth < MAX_DEPTH and _are_filters(wanted):
                parts = [self.split(one, depth + 1) for one in wanted]
                said += [part.said for part in parts]
                left = [part.rest for part in parts if part.rest]
                rest |= {key: left} if left else {}
                continue
            condition = self.whole(key, wanted, depth)
            if condition is None:
                rest[key] = wanted
            else:
                said.append(condition)
        return Split(and_(true(), *said), rest)

    def whole(self, key: str, wanted: Any, depth: int) -> Condition | None:
        """One entry of a filter; None if the database cannot say all of it."""
        if key in ("$or", "$nor") and isinstance(wanted, list) and depth < MAX_DEPTH and _are_filters(wanted):
            parts = [self.split(one, depth + 1) for one in wanted]
            if any(part.rest for part in parts):
                return None
            fits = or_(false(), *(part.said for part in parts))
            return fits if key == "$or" else not_(fits)
        if key == "$not" and _are_filters([wanted]) and depth < MAX_DEPTH:
            part = self.split(wanted, depth + 1)
            return None if part.rest else not_(part.said)
        column = None if key.startswith("$") else self.column(key)
        self.room -= 10
        if column is None or self.room < 0:
            return None
        return self.compared(column, times(wanted) if any(column is one for one in TIMES) else wanted, depth)

    def compared(self, column: ColumnElement[Any], wanted: Any, depth: int) -> Condition | None:
        """A value or an object of operators; None if the database cannot say all of it."""
        if not isinstance(wanted, Mapping) or not any(key.startswith("$") for key in wanted):
            return self.equal(column, wanted)
        parts = [self.operated(column, name, operand, depth) for name, operand in wanted.items()]
        said = [part for part in parts if part is not None]
        return and_(*said) if len(said) == len(parts) else None

    def operated(self, column: ColumnElement[Any], name: str, operand: Any, depth: int) -> Condition | None:
        """One operator; None if the database cannot say it."""
        if name in ("$eq", "$ne"):
            return self.equal(column, operand) if name == "$eq" else not_(self.equal(column, operand))
        if name in ("$in", "$nin") and isinstance(operand, list):
            fits = self.among(column, operand)
            return None if fits is None else fits if name == "$in" else not_(fits)
        if name == "$exists":
            return column.is_not(None) if operand else column.is_(None)
        if name == "$not" and depth < MAX_DEPTH:
            inner = self.compared(column, operand, depth + 1)
            return None if inner is None else not_(inner)
        return self.ordered(column, operand, _ORDERS[name]) if name in _ORDERS else None

    def equal(self, column: ColumnElement[Any], wanted: Any) -> Condition:
        """Never null, so that it can be turned round."""
        key = Key(column)
        if wanted is None:
            return column.is_(None)
        same = isinstance(wanted, str) if key.is_text else key.takes(wanted) and float(number(wanted) or 0.0) == wanted
        return and_(column.is_not(None), column == (wanted if key.is_text else float(wanted))) if same else false()

    def among(self, column: ColumnElement[Any], wanted: list[Any]) -> Condition | None:
        """Whether a value is one of a list; None if the list is too long."""
        self.room -= len(wanted)
        if self.room < 0:
            return None
        key = Key(column)
        values = [one for one in wanted if key.takes(one) and one is not None]
        fits = and_(
            column.is_not(None), column.in_([one if key.is_text else float(number(one) or 0.0) for one in values])
        )
        return or_(fits, column.is_(None)) if None in wanted else fits

    def ordered(self, column: ColumnElement[Any], operand: Any, holds: Callable[[Any, Any], Any]) -> Condition | None:
        """A text is compared with texts, a number with numbers; words for numbers are not told here."""
        if not Key(column).is_text:
            other = number(operand)
            return None if other is None or isinstance(operand, str) else holds(column, other)
        if not isinstance(operand, str):
            return false() if number(operand) is None else None
        if number(operand) is not None:
            return None
        letters = column.collate("C") if self.connection.dialect.name == "postgresql" else column
        return and_(column.is_not(None), holds(letters, operand))


def _are_filters(found: list[Any]) -> bool:
    return all(isinstance(one, Mapping) for one in found)
