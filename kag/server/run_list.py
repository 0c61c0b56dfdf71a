"""The runs of a project that fit a filter, in an order: counted and read page by page.

A list of all runs by their age is the database's, by an index. Of any other the places are held (`held_lists`): the
database says of a filter whatever is a column; what looks into JSON is held against every run that may fit, but of
each only what it looks at is read. Of runs in full, there is never more than a page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, or_

from kag.server.context import SILENT, Context
from kag.server.faults import Fault
from kag.server.filters import COLUMNS, RunView, asks_state, matches, place, reads, snake
from kag.server.filters_sql import Sayer
from kag.server.held_lists import Judged
from kag.server.keyset import MAX_PAGE, Key, Page, Place, behind, read_page
from kag.server.order import words
from kag.server.runs import WITH_SWEEP
from kag.server.store import all_rows, count
from kag.server.tables import runs, sweeps

CHUNK = 500
"""Runs that one answer of the database holds."""
_ALWAYS = ("id", "created_at", "heartbeat_at", "state", "should_stop")


class RunList:
    """Runs of a project.

    Args:
        context: of the request.
        project_id: the project.
        expression: the filter.
        order: `+key` or `-key`, several with commas between.

    Raises:
        Fault: filter or order is malformed.
    """

    def __init__(self, context: Context, project_id: int, expression: dict[str, Any], order: Any = None) -> None:
        self.context = context
        self.project_id = project_id
        self.order = order
        split = Sayer(context.connection, context.patience, context.now).split(expression)
        self.said, self.rest = split.said, split.rest
        self.by_age = None if expression else _by_age(order)
        self.asks_state = asks_state(expression, order)
        self.words = hashlib.sha256(json.dumps([expression, self.rest, order]).encode()).digest()
        self.mark = hashlib.sha256(str(order).encode()).hexdigest()[:8]
        self.query = WITH_SWEEP.where(runs.c.project_id == project_id)

    def count(self) -> int:
        """How many there are."""
        if self.by_age is not None:
            return count(self.context.connection, runs, project_id=self.project_id)
        return len(self._places)

    def page(self, *, seen: Place, first: int | None) -> Page:
        """Some of them; arguments as for `read_page`."""
        if self.by_age is not None:
            return read_page(self.context.connection, self.query, self.by_age, seen=seen, first=first)
        if seen and seen[0] != self.mark:
            raise Fault("this cursor is of another list")
        start = behind(self._places, seen)
        end = start + (MAX_PAGE if first is None else first)
        shown = self._places[start:end]
        rows = self._rows([at[-1] for at in shown])
        # One that was deleted meanwhile is not there: what was read before is of an earlier moment on PostgreSQL.
        there = [at for at in shown if at[-1] in rows]
        return Page([rows[at[-1]] for at in there], there, end < len(self._places))

    @cached_property
    def _places(self) -> Sequence[Place]:
        """Of all of them, in order. Each begins with the mark of the order, and ends with the number of its run."""
        context = self.context
        if context.batches.keep:
            return context.lists.places(context.connection, self.project_id, self.words, self._judged)
        return sorted(one.place for one in self._judged(None) if one.place is not None)

    def _judged(self, among: ColumnElement[bool] | None) -> Iterator[Judged]:
        names = sorted({*_ALWAYS, *reads(self.rest, self.order)})
        columns: list[ColumnElement[Any]] = [
            sweeps.c.name.label("sweep_name") if name == "sweep_name" else runs.c[name] for name in names
        ]
        if among is None:
            among = or_(self.said, runs.c.state.in_(SILENT)) if self.asks_state else self.said
        query: Select[Any] = self.query.where(among).with_only_columns(
            *columns, self.said.label("fits"), maintain_column_froms=True
        )
        # A filter that is refused at a run leaves the others unread.
        with self.context.connection.execute(query.execution_options(yield_per=CHUNK)) as rows:
            for row in rows.mappings():
                view = RunView(row, self.context.shown_state(row))
                fits = row["fits"] and matches(view, self.rest)
                at = [self.mark, *place(view, self.order)] if fits else None
                yield Judged(row["id"], at, self.asks_state and row["state"] in SILENT)

    def _rows(self, numbers: list[int]) -> dict[int, RowMapping]:
        chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        read = (all_rows(self.context.connection, WITH_SWEEP.where(runs.c.id.in_(chunk))) for chunk in chunks)
        return {row["id"]: row for rows in read for row in rows}


def _by_age(order: Any) -> list[Key] | None:
    """The keys of an order by age alone, else None."""
    asked = words(order)
    if not all(COLUMNS.get(snake(key)) == "created_at" for key, _ in asked):
        return None
    falling = [Key(runs.c.created_at, falling=True)] if asked and asked[0][1] else []
    return [*falling, Key(runs.c.created_at), Key(runs.c.id)]
