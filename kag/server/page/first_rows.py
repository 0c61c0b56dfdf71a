"""Which runs come first in the order that a reader has chosen, as the script of the table orders them (`cells.js`)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from kag.server.page.columns import Column
from kag.server.page.held import Held
from kag.server.page.values import Values
from kag.track.record import Scalar

NEWEST_FIRST = "-started"
"""The order of a table for which nobody has chosen one."""

_WORDS = ("name", "state", "user", "tags", "sweep", "note")


def first_in_order(
    runs: Sequence[Held], order: str, columns: Sequence[Column], most: int, values: Values
) -> list[Held] | None:
    """The runs that come first; None where words decide which: those are put in order by a browser, in its language.

    Args:
        runs: in any order.
        order: key of a column, behind a minus if it falls.
        columns: those of the table; what is ordered by another one is ordered by age alone.
        most: as many runs.
        values: of the runs.
    """
    key, sign = order.removeprefix("-"), -1 if order.startswith("-") else 1
    if key in _WORDS:
        return None
    value = _value_of(key, columns, values)
    numbers, missing, words = [], [], 0
    for run in runs:
        found = value(run)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            numbers.append((sign * found, *_age(run), run))
        elif found is None or found == "":
            missing.append(run)
        else:
            words += 1
    if words and len(numbers) < most:
        return None
    first = [at[-1] for at in heapq.nsmallest(most, numbers, key=lambda at: at[:-1])]
    return first + heapq.nsmallest(most - len(first), missing, key=_age)


def _value_of(key: str, columns: Sequence[Column], values: Values) -> Callable[[Held], Scalar]:
    if key == "started":
        return lambda run: int(run.row["created_at"])
    if key == "took":
        seconds = values.seconds()
        return lambda run: round(seconds(run))
    column = next((one for one in columns if one.word == key), None)
    if column is None:
        return lambda run: None
    cells = values.cells([column])
    return lambda run: cells(run, column)


def _age(run: Held) -> tuple[Any, ...]:
    """The younger first; of one second those after one another by their ids."""
    return -int(run.row["created_at"]), run.name
