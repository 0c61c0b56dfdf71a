"""Histories as curves: one point an epoch, gaps where a key is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from kag import names
from kag.report.figure import Line

Rows = Sequence[Mapping[str, float]]


def by_epoch(rows: Rows) -> list[dict[str, float]]:
    """One row an epoch, in order; a key that was logged twice in an epoch has its last value.

    Rows without an epoch are left out.
    """
    found: dict[float, dict[str, float]] = {}
    for row in rows:
        epoch = row.get(names.EPOCH, math.nan)
        if math.isfinite(epoch):
            found.setdefault(epoch, {}).update(row)
    return [found[epoch] for epoch in sorted(found)]


def values(rows: Rows, key: str) -> tuple[float, ...]:
    """A metric over the rows; NaN where it is missing or not finite."""
    return tuple(value if math.isfinite(value := row.get(key, math.nan)) else math.nan for row in rows)


def epochs(rows: Rows) -> tuple[float, ...]:
    """The x axis; a whole epoch is a whole number."""
    return tuple(int(epoch) if epoch == int(epoch) else epoch for epoch in (row[names.EPOCH] for row in rows))


def line(rows: Rows, key: str, label: str, *, dashed: bool = False, colour: int | None = None) -> Line | None:
    """The curve of a metric, or None if there is no value of it."""
    y = values(rows, key)
    if all(map(math.isnan, y)):
        return None
    return Line(label=label, x=epochs(rows), y=y, dashed=dashed, colour=colour)
