"""Curves of many runs at once: read from the database in one go, thinned, and held until their run changes."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from threading import Lock
from typing import Any, Literal, NamedTuple, get_args

from pydantic_core import from_json
from sqlalchemy import Connection, select

from kag import names
from kag.number import number, sound_text
from kag.report.thin import kept
from kag.server.history import IN_ORDER, reach
from kag.server.page.held import Held
from kag.server.tables import HISTORY, lines

XAxis = Literal["epoch", "step", "time", "relative"]
"""Logged epoch, W&B's step, the time of day in seconds since the epoch, or seconds since the run's first row."""
AXES: tuple[XAxis, ...] = get_args(XAxis)

POINTS = 600
"""Points of a curve that are held."""
HELD = 24
"""Keys, each on one axis, whose curves are held: those that were asked for last."""
ROWS = 600_000
"""Rows of all runs together that are looked at for one key: beyond them, long runs are read in steps."""
FEWEST = 1_000
"""Rows of a run that are looked at in any case."""
CHUNK = 200
"""Runs of one question to the database."""


class Series(NamedTuple):
    """One logged number of a run over an axis; NaN leaves a gap."""

    x: Sequence[float]
    y: Sequence[float]
    step: int = 1
    """Of the rows that hold the number, every so many was looked at; more than one may have passed over extremes."""


NOTHING = Series((), ())


@dataclass
class KeptSeries:
    """The curves of a project that were asked for."""

    held: OrderedDict[tuple[str, XAxis], dict[int, tuple[int, Series]]] = field(default_factory=OrderedDict)
    """Key and axis -> row of the table of runs -> number of the run's last change, and its curve."""
    lock: Any = field(default_factory=Lock)

    def of(
        self, connection: Connection, runs: Sequence[Held], keys: Sequence[str], axis: XAxis
    ) -> Mapping[str, Mapping[int, Series]]:
        """Key -> row of the table of runs -> curve; a run without any number of a key has none.

        Args:
            connection: to the database.
            runs: whose.
            keys: what they logged.
            axis: over what.
        """
        with self.lock:
            wanted = self._lacking(runs, keys, axis)
            for run, found in _read(connection, wanted, axis):
                for key, series in found.items():
                    self.held[key, axis][run.number] = (run.changed, series)
            held = {key: self.held[key, axis] for key in keys}
            while len(self.held) > max(HELD, len(keys)):
                self.held.popitem(last=False)
            return {
                key: {run.number: one[run.number][1] for run in runs if run.number in one and one[run.number][1].x}
                for key, one in held.items()
            }

    def _lacking(self, runs: Sequence[Held], keys: Sequence[str], axis: XAxis) -> list[tuple[Held, dict[str, int]]]:
        """Runs with what of them must be read: key -> how often it was logged."""
        for key in keys:
            self.held.setdefault((key, axis), {})
            self.held.move_to_end((key, axis))
        lacking = []
        for run in runs:
            counts = {key: run.logged[key] for key in keys if key in run.logged}
            wanted = {
                key: count
                for key, count in counts.items()
                if self.held[key, axis].get(run.number, (None, NOTHING))[0] != run.changed
            }
            if wanted:
                lacking.append((run, wanted))
        return lacking


def _read(
    connection: Connection, wanted: Sequence[tuple[Held, Mapping[str, int]]], axis: XAxis
) -> Iterator[tuple[Held, dict[str, Series]]]:
    """The curves of runs, run by run."""
    most = max(ROWS // max(len(wanted), 1), FEWEST)
    columns = (lines.c.run_id, *IN_ORDER, lines.c.body)
    for begin in range(0, len(wanted), CHUNK):
        some = {run.number: (run, counts) for run, counts in wanted[begin : begin + CHUNK]}
        query = select(*columns).where(lines.c.run_id.in_(some), lines.c.stream == HISTORY).order_by(lines.c.run_id)
        with connection.execute(query.execution_options(yield_per=5_000)) as rows:
            for owner, group in groupby(rows, key=itemgetter(0)):
                run, counts = some.pop(owner)
                ordered = sorted(map(tuple, group), key=itemgetter(1, 2, 3))
                yield run, _of_run([row[-1] for row in ordered], counts, axis, most)
        for run, counts in some.values():
            yield run, dict.fromkeys(counts, NOTHING)


def _of_run(bodies: Sequence[str], counts: Mapping[str, int], axis: XAxis, most: int) -> dict[str, Series]:
    steps = {key: max(1, -(-count // most)) for key, count in counts.items()}
    words = {key: _word(key) for key in counts}
    turns = dict.fromkeys(counts, 0)
    points: dict[str, list[tuple[float, float]]] = {key: [] for key in counts}
    first: float | None = None
    for place, body in enumerate(bodies):
        due = []
        for key, word in words.items():
            if word in body:
                if turns[key] % steps[key] == 0:
                    due.append(key)
                turns[key] += 1
        if not due and place:
            continue
        row = _row(body)
        if first is None:
            first = number(row.get("_timestamp"))
        x = _place(row, axis, first)
        for key in due:
            value = number(row[key] if key in row else reach(row, key)[1])
            if value is not None and x is not None:
                points[key].append((x, value if math.isfinite(value) else math.nan))
    return {key: _series(points[key], axis, steps[key]) for key in counts}


def _row(body: str) -> dict[str, Any]:
    """A row; nearly all can be read as they are, and to look at each letter first would take longer than the rest."""
    try:
        return dict(from_json(body))
    except ValueError:
        return dict(from_json(sound_text(body)))


def _word(key: str) -> str:
    """What stands in the text of every row with a key: less than the key where that may lie in a tree, or escaped."""
    last = key.rpartition(".")[2]
    if not key.isascii() or '"' in key or "\\" in key:
        return ""
    return f'"{key}"' if last == key else last


def _place(row: Mapping[str, Any], axis: XAxis, first: float | None) -> float | None:
    """Where a row stands on the axis; None where it does not tell."""
    if axis == "epoch":
        found = number(row.get(names.EPOCH))
    elif axis == "step":
        found = number(row.get("_step"))
    else:
        found = number(row.get("_timestamp"))
        if axis == "relative":
            found = None if found is None or first is None else found - first
    return found if found is not None and math.isfinite(found) else None


def _series(points: Sequence[tuple[float, float]], axis: XAxis, step: int) -> Series:
    """Points in the order of the axis; of an epoch that was logged several times the last."""
    ordered = sorted(dict(points).items()) if axis == "epoch" else sorted(points, key=lambda point: point[0])
    x, y = array("d", (x for x, _ in ordered)), array("d", (y for _, y in ordered))
    places = kept(y, POINTS)
    return Series(array("d", (x[i] for i in places)), array("d", (y[i] for i in places)), step)
