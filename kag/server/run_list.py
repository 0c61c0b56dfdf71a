"""The runs of a project that fit a filter, in an order: counted and read page by page.

The database filters, orders and cuts whatever is a column. A filter or an order that looks into JSON is held against
every run that may fit, but of each only what it looks at is read; of runs in full, there is never more than a page.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, Select

from kag.server.context import Context
from kag.server.filters import RunView, matches, place, reads
from kag.server.filters_sql import Sayer
from kag.server.keyset import MAX_PAGE, Page, Place, behind, count_of, read_page
from kag.server.runs import WITH_SWEEP
from kag.server.store import all_rows
from kag.server.tables import runs, sweeps

CHUNK = 500
"""Runs that one answer of the database holds."""
_ALWAYS = ("id", "created_at", "heartbeat_at", "state", "should_stop")


class _Found(NamedTuple):
    place: Place
    number: int


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
        self.order = order
        sayer = Sayer(context.connection, context.patience, context.now)
        split = sayer.split(expression)
        self.rest = split.rest
        self.keys = sayer.order(order)
        self.query = WITH_SWEEP.where(runs.c.project_id == project_id, split.said)

    def count(self) -> int:
        """How many there are."""
        return len(self._fitting) if self.rest else count_of(self.context.connection, self.query)

    def page(self, *, seen: Place, first: int | None) -> Page:
        """Some of them; arguments as for `read_page`."""
        if self.keys is not None and not self.rest:
            return read_page(self.context.connection, self.query, self.keys, seen=seen, first=first)
        start = behind([one.place for one in self._fitting], seen)
        end = start + (MAX_PAGE if first is None else first)
        shown = self._fitting[start:end]
        rows = self._rows([one.number for one in shown])
        # One that was deleted meanwhile is not there: what was read before is of an earlier moment on PostgreSQL.
        there = [one for one in shown if one.number in rows]
        places = [one.place for one in there]
        return Page([rows[one.number] for one in there], places, end < len(self._fitting))

    @cached_property
    def _fitting(self) -> list[_Found]:
        """All of them, by their places."""
        with closing(self._views()) as views:  # a filter that is refused at a run leaves the others unread
            found = [_Found(place(view, self.order), view.row["id"]) for view in views if matches(view, self.rest)]
        return sorted(found, key=itemgetter(0))

    def _views(self) -> Generator[RunView, None, None]:
        names = sorted({*_ALWAYS, *reads(self.rest, self.order)})
        columns: list[ColumnElement[Any]] = [
            sweeps.c.name.label("sweep_name") if name == "sweep_name" else runs.c[name] for name in names
        ]
        query: Select[Any] = self.query.with_only_columns(*columns, maintain_column_froms=True)
        with self.context.connection.execute(query.execution_options(yield_per=CHUNK)) as rows:
            for row in rows.mappings():
                yield RunView(row, self.context.shown_state(row))

    def _rows(self, numbers: list[int]) -> dict[int, RowMapping]:
        chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
        read = (all_rows(self.context.connection, WITH_SWEEP.where(runs.c.id.in_(chunk))) for chunk in chunks)
        return {row["id"]: row for rows in read for row in rows}
