"""What belongs to the rows of a list, read for all of them at once.

A field of one row of a page is asked of every row of the page: the first that is asked reads for all, so a page costs
the same few queries however long it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, RowMapping, Select, Table, func, select

from kag.server.store import all_rows

T = TypeVar("T")
Read = Callable[[Connection, Sequence[int]], Mapping[int, T]]
"""Reads what belongs to some numbers, by number; what has nothing is absent."""

AT_ONCE = 1_000
"""Numbers in one query."""

OWNERS = ("project", "sweep", "collection", "artifact", "membership", "run")
"""What rows belong to: by the column `project_id`, ..."""


class Batches:
    """The lists of one request, and what has been read for them.

    Args:
        connection: a transaction.
        keep: whether what was read stays true: not in a mutation, whose next part may change it.
    """

    def __init__(self, connection: Connection, *, keep: bool) -> None:
        self.connection = connection
        self.keep = keep
        self._alike: dict[tuple[str, int], Sequence[int]] = {}
        self._read: dict[Any, dict[int, Any]] = {}

    def note(self, kind: str, rows: Sequence[RowMapping]) -> None:
        """Rows will be asked alike, and what they belong to; `kind` is what their ids number."""
        if not self.keep:
            return
        self._together(kind, (row.get("id") for row in rows))
        for owner in OWNERS:
            self._together(owner, (row.get(f"{owner}_id") for row in rows))

    def _together(self, kind: str, numbers: Iterable[int | None]) -> None:
        alike = sorted({number for number in numbers if number is not None})
        for start in range(0, len(alike), AT_ONCE):
            chunk = alike[start : start + AT_ONCE]
            for number in chunk:
                self._alike.setdefault((kind, number), chunk)

    def get(self, kind: str, number: int, read: Read[T], *, gives: str = "") -> T | None:
        """What belongs to a row, or None.

        Args:
            kind: what the number numbers.
            number: the row.
            read: reads it for many rows.
            gives: what the ids of the rows that it reads number: they will be asked alike, too.
        """
        if not self.keep:
            return read(self.connection, [number]).get(number)
        known = self._read.setdefault(read, {})
        if number not in known:
            wanted = self._alike.get((kind, number), [number])
            found: Mapping[int, Any] = read(self.connection, wanted)
            known.update((one, found.get(one)) for one in wanted)
            if gives:
                self.note(gives, [row for one in found.values() for row in (one if isinstance(one, list) else [one])])
        value: T | None = known[number]
        return value

    def row(self, kind: str, number: int, read: Read[RowMapping]) -> RowMapping | None:
        """The row of a kind with a number, or None."""
        return self.get(kind, number, read, gives=kind)


def rows_of(table: Table) -> Read[RowMapping]:
    """Reads the rows of a table by their ids."""

    def read(connection: Connection, numbers: Sequence[int]) -> dict[int, RowMapping]:
        found = all_rows(connection, select(table).where(table.c.id.in_(numbers)))
        return {row["id"]: row for row in found}

    return read


def lists_of(query: Select[Any], owner: Column[int]) -> Read[list[RowMapping]]:
    """Reads the rows of a query that belong to each number, in its order."""

    def read(connection: Connection, numbers: Sequence[int]) -> dict[int, list[RowMapping]]:
        found: dict[int, list[RowMapping]] = {number: [] for number in numbers}
        for row in all_rows(connection, query.where(owner.in_(numbers))):
            found[row[owner.name]].append(row)
        return found

    return read


def counts_of(table: Table, owner: Column[int]) -> Read[int]:
    """Reads how many rows of a table belong to each number."""

    def read(connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
        query = select(owner, func.count()).select_from(table).where(owner.in_(numbers)).group_by(owner)
        return {owner_id: int(found) for owner_id, found in connection.execute(query)}

    return read
