"""The order of a list of runs: by which column, and which end first."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kag.errors import UserError
from kag.track.past import time_spent
from kag.track.record import RunRecord
from kag.view.metric_names import by_name
from kag.view.metrics import Metric
from kag.view.results import delivered, headline

Known = float | str | None
Values = Mapping[Metric, float | None]
"""What stands for a run of another program, by the metrics that count."""

_ENDS = {"asc": False, "desc": True}
_BETWEEN = re.compile(r"[\s_/]+")


@dataclass(frozen=True)
class Order:
    """By which column, and which end first."""

    column: str
    value: Callable[[RunRecord, Values], Known]
    descending: bool
    measured: bool = False
    """Whether it is a metric: runs on different data have no order by it that means anything."""

    def of(self, records: Iterable[RunRecord], values: Mapping[str, Values]) -> list[RunRecord]:
        """The runs in this order, those without a value last; equal ones stay as they were."""
        told = [(record, self.value(record, values.get(record.id, {}))) for record in records]
        known = [pair for pair in told if not _is_missing(pair[1])]
        known.sort(key=lambda pair: pair[1], reverse=self.descending)  # type: ignore[arg-type,return-value]
        return [record for record, _ in (*known, *(pair for pair in told if _is_missing(pair[1])))]


_NUMBERS: Mapping[str, Callable[[RunRecord], Known]] = {
    "start": lambda record: record.start.timestamp(),
    "duration": lambda record: spent.total_seconds() if (spent := time_spent(record)) is not None else None,
    "epochs": lambda record: record.epochs_trained,
    "best epoch": lambda record: record.best_epoch,
}
_WORDS: Mapping[str, Callable[[RunRecord], Known]] = {
    "run": lambda record: record.id,
    "name": lambda record: record.name,
    "status": lambda record: record.status.value,
    "parent": lambda record: record.parent,
    "tags": lambda record: ", ".join(record.tags) or None,
    "sweep": lambda record: record.sweep,
}


def order_by(word: str, records: Sequence[RunRecord], metrics: Sequence[Metric]) -> Order:
    """The order that a person asks for, `COLUMN[:asc|desc]`.

    Without an end the best value comes first where a goal is known, else the highest one; words come from A to Z.

    Args:
        word: what the person wrote; `val AUPRC`, `val/auprc` and `val_auprc` are the same.
        records: the runs.
        metrics: those that count in the source.

    Raises:
        UserError: there is no such column; names the nearest.
    """
    name, sign, end = word.rpartition(":")
    name, end = (name, end) if sign and end in _ENDS else (word, "")
    known = _orders(records, metrics)
    found = known.get(_plain(name))
    if found is None:
        near = difflib.get_close_matches(_plain(name), list(known), n=3, cutoff=0.5)
        raise UserError(
            f"there is no column {name!r} to sort by",
            nearest=", ".join(known[one].column for one in near) or None,
            remedy=f"columns: {', '.join(dict.fromkeys(one.column for one in known.values()))}",
        )
    descending = _ENDS[end] if end else found.descending
    return Order(found.column, found.value, descending, found.measured)


def _orders(records: Sequence[RunRecord], metrics: Sequence[Metric]) -> dict[str, Order]:
    """Every column that runs can be sorted by, by the word that stands for it."""
    plain = [Order(name, _alone(value), False) for name, value in _WORDS.items()]
    plain += [Order(name, _alone(value), True) for name, value in _NUMBERS.items()]
    counted = [
        Order(one.title, lambda _, values, one=one: values.get(one), one.goal != "min", True)  # type: ignore[misc]
        for one in metrics
        if one.value != "delivered"
    ]
    keys = dict.fromkeys(key for record in records if record.results for key in delivered(record))
    own = [Order(key, _alone(_result(key)), by_name(key) != "min", True) for key in keys]
    titled = [Order(f"{split} AUPRC", _alone(_result(f"{split}/auprc")), True, True) for split in ("val", "test")]
    return {_plain(one.column): one for one in (*own, *titled, *counted, *plain)}


def _alone(value: Callable[[RunRecord], Known]) -> Callable[[RunRecord, Values], Known]:
    return lambda record, _: value(record)


def _result(key: str) -> Callable[[RunRecord], Known]:
    split, _, metric = key.partition("/")

    def value(record: RunRecord) -> Known:
        found = headline(record, split, metric)
        return found.value if found else None

    return value


def _plain(word: str) -> str:
    return _BETWEEN.sub(" ", word).strip().casefold()


def _is_missing(value: Known) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
