"""The numbers of several runs side by side: the best of each row, and how far each is from the first run, the base."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from kag.compare.comparison import COMPARED, Comparison, not_comparable
from kag.compare.judge import value_of_run
from kag.compare.paired import Unpaired
from kag.compare.verdict import Values
from kag.compare.wording import tested_text
from kag.names import evaluation
from kag.track.record import RunRecord
from kag.view.metric_names import by_name
from kag.view.metrics import Metric
from kag.view.results import absent, finite, measured_column, moved, side_by_side


class Number(NamedTuple):
    """A number of a run beside those of others."""

    text: str
    apart: str = ""
    """By how much it lies from the base's; empty for the base, and where one has none."""
    best: bool = False


class Row(NamedTuple):
    """A number of each run."""

    key: str
    numbers: tuple[Number, ...]


def side_by_side_rows(records: Sequence[RunRecord], metrics: Sequence[Metric], values: Values) -> list[Row]:
    """A row for each number that any of the runs has: of the delivered weights, then what stands for other programs.

    Args:
        records: the runs; the first is the base.
        metrics: those that count in the source.
        values: what stands for runs of other programs.
    """
    own = {metric.name for metric in metrics if metric.value != "delivered"}
    row = partial(number_row, records, comparable=not not_comparable(records))
    rows = [
        row(key, key, [one.value if (one := finite(result)) else None for result in found], by_name(key))
        for key, found in side_by_side(records).items()
        if key not in own
    ]
    for metric in metrics:
        if metric.value != "delivered":
            found = map(partial(value_of_run, metric, values), records)
            told = [value if value is not None and math.isfinite(value) else None for value in found]
            if any(value is not None for value in told):
                rows.append(row(metric.label, metric.name, told, metric.goal))
    return rows


def tested_rows(against: Sequence[Comparison], words: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Key -> W&B's id of a run -> its paired difference from the base with its interval, of runs that stand alone.

    Args:
        against: of each run or group against the base.
        words: run id -> W&B's id.
    """
    found: dict[str, dict[str, str]] = {}
    for compared in against:
        for key, text in _tested(compared):
            found.setdefault(key, {})[words[compared.after.id]] = text
    return found


def _tested(compared: Comparison) -> Iterator[tuple[str, str]]:
    if type(compared) is not Comparison:
        return
    for split in COMPARED:
        tests = compared.tested(split)
        if not isinstance(tests, Unpaired):
            yield from ((evaluation(split, metric), tested_text(metric, one)) for metric, one in tests.items())


def number_row(
    records: Sequence[RunRecord],
    label: str,
    key: str,
    values: Sequence[float | None],
    goal: str | None,
    *,
    comparable: bool,
) -> Row:
    """A row of finite numbers, or of None where a run has none.

    Args:
        records: the runs; the first is the base.
        label: what the row is called.
        key: by which the numbers are written.
        values: one a run.
        goal: which of two values is better, `max` or `min`; None where nobody says, and then no best is marked.
        comparable: whether the runs are; of others no difference is told.
    """
    texts, base = measured_column(key, values), values[0]
    known = [value for value in values if value is not None]
    marked = comparable and goal is not None and len(known) > 1 and min(known) < max(known)
    best = (max(known) if goal == "max" else min(known)) if marked else None
    numbers = []
    for place, (text, value, record) in enumerate(zip(texts, values, records, strict=True)):
        if value is None:
            numbers.append(Number(absent(record, key.partition("/")[0])))
        else:
            told = moved(key, value - base) if place and base is not None and comparable else ""
            numbers.append(Number(text, told, value == best))
    return Row(label, tuple(numbers))
