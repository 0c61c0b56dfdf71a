"""`Logged`: a run with its history, as the rules look at it; `Course`: what remains of the history afterwards.

A run that was imported from a hand-kept log has no history. What its row stated is in the record, in the same words:
`stated.course` (a `Course`) and `stated.observed` (metric key -> value at the start or the end).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Literal

from kag import names
from kag.number import count, number
from kag.track.record import RunRecord
from kag.track.stated import Course, Stated

SHORTEST = 6
"""Epochs that a history needs before its thirds are compared."""


@dataclass(frozen=True)
class Logged:
    """A run and one row an epoch; the rows are empty where no history is known."""

    record: RunRecord
    rows: Sequence[Mapping[str, float]] = ()

    @cached_property
    def course(self) -> Course:
        """Best and last epoch by val AUPRC; what a hand-kept log states where there is no history."""
        (epochs, values), alpha = self.series(names.OBJECTIVE), self.end(names.ALPHA_MEAN)
        if not values:
            return self.stated.course.model_copy(update={"alpha": alpha})
        best = max(range(len(values)), key=values.__getitem__)
        return Course(best=values[best], best_epoch=epochs[best], last=values[-1], last_epoch=epochs[-1], alpha=alpha)

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Epochs and values of a metric, those left out where it is missing or not finite."""
        if key not in self._series:
            rows = ((count(row.get(names.EPOCH)), row[key]) for row in self.rows if key in row)
            pairs = [(epoch, value) for epoch, value in rows if epoch is not None and math.isfinite(value)]
            self._series[key] = [epoch for epoch, _ in pairs], [value for _, value in pairs]
        return self._series[key]

    def thirds(self, key: str) -> tuple[list[float], list[float]] | None:
        """First and last third of a metric, or None for a history of fewer than six epochs."""
        values = self.series(key)[1]
        if len(values) < SHORTEST:
            return None
        size = len(values) // 3
        return values[:size], values[-size:]

    def end(self, key: str) -> float | None:
        """Mean over the last third, or as stated; None if unknown."""
        return self._mean("end", key)

    def start(self, key: str) -> float | None:
        """Mean over the first third, or as stated; None if unknown."""
        return self._mean("start", key)

    def at(self, epoch: int | None) -> Mapping[str, float]:
        """The row of an epoch, what is not finite left out; empty if there is none."""
        row = next((row for row in self.rows if row.get(names.EPOCH) == epoch), {})
        return {key: value for key, value in row.items() if math.isfinite(value)}

    def number(self, key: str) -> float | None:
        """A setting of the spec as a number, or None."""
        value = self.record.config.get(key)
        return None if isinstance(value, str) else number(value)

    def pair(self, key: str) -> tuple[float, float] | None:
        """A setting of the spec that is a pair of numbers, or None."""
        value = self.record.config.get(key)
        if not isinstance(value, str):
            return None
        try:
            low, high = map(number, json.loads(value))
        except (ValueError, TypeError):
            return None
        return None if low is None or high is None else (low, high)

    @cached_property
    def _series(self) -> dict[str, tuple[list[int], list[float]]]:
        """What `series` has worked out so far; a dozen rules ask for the same few metrics."""
        return {}

    def _mean(self, when: Literal["start", "end"], key: str) -> float | None:
        if thirds := self.thirds(key):
            return fmean(thirds[0] if when == "start" else thirds[1])
        return self.stated.observed.get(when, {}).get(key)

    @property
    def stated(self) -> Stated:
        """What a person stated; nothing for a run that was not imported."""
        return self.record.stated or Stated()
