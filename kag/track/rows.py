"""What was logged, row by row: one row an epoch of kag's own runs, one a step of any other program's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kag import names
from kag.number import count, number
from kag.track.upgrade import upgraded_row

_COUNTER = "trainer/global_step"
"""What Lightning's logger adds to each row; it is no metric."""


def history_of(rows: Iterable[Mapping[str, Any]], *, by_kag: bool, most: int | None = None) -> list[dict[str, float]]:
    """The history of a run from the rows that it logged, in the order in which it did.

    Args:
        rows: as they were logged.
        by_kag: whether kag wrote them.
        most: of a longer history of another program, about so many rows are kept; see `condensed`.
    """
    return epochs(rows) if by_kag else steps(rows, most=most)


def epochs(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One row an epoch of a run of kag's own, without W&B's own keys.

    kag logs an epoch in one row; a row without training loss is the closing one, of the delivered weights, and belongs
    to no epoch. A run that went back to an earlier epoch takes its later rows back.
    """
    found: list[dict[str, float]] = []
    for logged in rows:
        row = upgraded_row(dict(numbers(logged)))
        if names.EPOCH in row and names.TRAIN_LOSS in row:
            _add(found, row, names.EPOCH)
    return found


def steps(rows: Iterable[Mapping[str, Any]], *, most: int | None = None) -> list[dict[str, float]]:
    """One row a step of a run of another program: every number by its dotted key, and the step as `names.STEP`.

    What was logged of one step in parts is one row. A run that went back to an earlier step takes its later rows back.
    A row without a step, as old files have them, is the next one. `most`: see `history_of`; up to twice as many.
    """
    found: list[dict[str, float]] = []
    for logged in rows:
        step = count(logged.get(names.STEP))
        step = int(found[-1][names.STEP]) + 1 if step is None and found else step or 0
        row = {names.STEP: float(step)}
        row.update(numbers(logged))
        _add(found, row, names.STEP)
        if most is not None and len(found) > 2 * most:
            found = condensed(found, most)
    return found


def condensed(rows: Sequence[dict[str, float]], most: int) -> list[dict[str, float]]:
    """About so many of the rows, evenly spread, and beside them those that say something of their own.

    These are of every number its last, and of what is finite of it the last, the highest and the lowest, and its first
    that is not: with them the best value and its step stay exact however often a history is condensed.
    """
    kept = {(place * (len(rows) - 1)) // max(most - 1, 1) for place in range(most)}
    marked: dict[str, dict[str, int]] = {}
    for place, row in enumerate(rows):
        for key, value in row.items():
            marks = marked.setdefault(key, {})
            marks["last"] = place
            if not math.isfinite(value):
                marks.setdefault("broken", place)
                continue
            marks["last finite"] = place
            if value > rows[marks.setdefault("highest", place)][key]:
                marks["highest"] = place
            if value < rows[marks.setdefault("lowest", place)][key]:
                marks["lowest"] = place
    kept |= {place for marks in marked.values() for place in marks.values()}
    return [rows[place] for place in sorted(kept)]


def numbers(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a row or a summary by its dotted key, without W&B's own keys, pictures, tables and histograms."""
    for key, value in row.items():
        if not prefix and (key.startswith("_") or key == _COUNTER):
            continue
        kind = type(value)
        if kind is float:  # nearly all of them are, and a project has millions
            yield prefix + key, value
        elif kind is dict:
            if "_type" not in value:
                yield from numbers(value, f"{prefix}{key}.")
        elif (found := number(value)) is not None:
            yield prefix + key, found


def _add(found: list[dict[str, float]], row: dict[str, float], by: str) -> None:
    while found and found[-1][by] > row[by]:
        found.pop()
    if found and found[-1][by] == row[by]:
        found[-1].update(row)
    else:
        found.append(row)
