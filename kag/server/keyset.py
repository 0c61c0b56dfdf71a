"""Pages of a query: in an order that tells all rows apart, from behind the last row that was seen.

The database orders and cuts. A cursor is where the last row stands, not how many came before it: who deletes what a
list shows still sees the rest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, String, and_, false, func, or_

from kag.server.faults import Fault
from kag.server.store import all_rows

LONGEST = 256
"""Letters of a text that count in an order."""
MAX_PAGE = 10_000
"""Rows of a page."""

Place = list[Any]
"""Where a row stands in its list: larger than that of the row before, and of the same types."""


class Key(NamedTuple):
    """What a list is ordered by. Rows without a value come last, whether it falls or not."""

    column: ColumnElement[Any]
    falling: bool = False

    @property
    def is_text(self) -> bool:
        """Whether its values are texts."""
        return isinstance(self.column.type, String)

    def on(self, connection: Connection) -> Key:
        """The key in the words of a database: texts are ordered by their letters' numbers everywhere."""
        if not self.is_text:
            return self
        text = func.substr(self.column, 1, LONGEST, type_=String)
        return Key(text.collate("C") if connection.dialect.name == "postgresql" else text, self.falling)

    @property
    def is_optional(self) -> bool:
        """Whether a row may have no value. What is worked out from columns is taken to."""
        return bool(getattr(self.column, "nullable", True))

    def takes(self, value: Any) -> bool:
        """Whether this can be a value of a place."""
        numbers = isinstance(value, (int, float)) and not isinstance(value, bool)
        return value is None or (isinstance(value, str) if self.is_text else numbers)

    def equals(self, value: Any) -> ColumnElement[bool]:
        """Whether a row stands where a value does."""
        return self.column.is_(None) if value is None else self.column == value

    def behind(self, value: Any) -> ColumnElement[bool]:
        """Whether a row stands behind a value."""
        if value is None:
            return false()
        further: ColumnElement[bool] = self.column < value if self.falling else self.column > value
        return or_(further, self.column.is_(None)) if self.is_optional else further

    def not_before(self, value: Any) -> ColumnElement[bool]:
        """Whether a row stands at a value or behind it: of a column with an index, a range of that."""
        if self.is_optional:
            return or_(self.equals(value), self.behind(value))
        edge: ColumnElement[bool] = self.column <= value if self.falling else self.column >= value
        return edge


@dataclass(frozen=True)
class Page:
    """Some rows of a list."""

    rows: Sequence[RowMapping]
    places: Sequence[Place]
    more: bool
    """Whether the list goes on."""


def read_page(
    connection: Connection, query: Select[Any], keys: Sequence[Key], *, seen: Place, first: int | None
) -> Page:
    """Read a page.

    Args:
        connection: a transaction.
        query: all of the list, in no order.
        keys: the order; the last of them tells all rows apart.
        seen: place of the last row of the page before; empty for the first page.
        first: rows of the page; None: as many as a page may have.

    Raises:
        Fault: the place is of a list in another order.
    """
    keys = [key.on(connection) for key in keys]
    if seen and not (len(seen) == len(keys) and all(key.takes(one) for key, one in zip(keys, seen, strict=True))):
        raise Fault("this cursor is of another list")
    if seen:
        query = query.where(_further(keys, seen))
    for number, key in enumerate(keys):
        query = query.add_columns(key.column.label(f"place_{number}"))
        missing = [key.column.is_(None)] if key.is_optional else []
        query = query.order_by(*missing, key.column.desc() if key.falling else key.column)
    size = MAX_PAGE if first is None else first
    found = all_rows(connection, query.limit(size + 1))
    rows = found[:size]
    places = [[row[f"place_{number}"] for number in range(len(keys))] for row in rows]
    return Page(rows, places, len(found) > size)


def _further(keys: Sequence[Key], seen: Place) -> ColumnElement[bool]:
    pairs = list(zip(keys, seen, strict=True))
    further = (
        and_(*(before.equals(value) for before, value in pairs[:number]), key.behind(value))
        for number, (key, value) in enumerate(pairs)
    )
    return and_(keys[0].not_before(seen[0]), or_(*further))


def behind(places: Sequence[Place], seen: Place) -> int:
    """The first of some places in order that lies behind one.

    Raises:
        Fault: that one is of another list.
    """
    try:
        return bisect_right(places, seen)
    except TypeError as error:
        raise Fault("this cursor is of another list") from error


def count_of(connection: Connection, query: Select[Any]) -> int:
    """How many rows a query has."""
    counted = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return int(connection.execute(counted).scalar_one())
