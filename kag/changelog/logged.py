"""`Logged`: a run with its history, as the rules look at it; `Course`: what remains of the history afterwards.

A run that was imported from a hand-kept log has no history. What its row stated is in the record, in the same words:
`stated.course` (a `Course`) and `stated.observed` (metric key -> value at the start or the end).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import Literal

from kag import names
from kag.number import count, number
from kag.track.record import RunRecord
from kag.track.stated import Course, Stated
from kag.view.metrics import OWN, VAL, Metric

SHORTEST = 6
"""Epochs that a history needs before its thirds are compared."""


@dataclass(frozen=True)
class Logged:
    """A run and one row an epoch, or a step where its program logs no epochs; no rows where no history is known."""

    record: RunRecord
    rows: Sequence[Mapping[str, float]] = ()
    metrics: Sequence[Metric] = OWN
    """Those that count."""

    @cached_property
    def judged(self) -> Metric | None:
        """The metric whose course the rules look at; None where no goal is known of any that was logged."""
        if not self.record.is_foreign:
            return VAL
        return next((one for one in self.metrics if one.goal and self.series(one.name)[1]), None)

    @cached_property
    def course(self) -> Course:
        """How the metric by which it is judged went; what a hand-kept log states where there is no history."""
        course = self.course_of(self.judged) if self.judged else None
        alpha = self.end(names.ALPHA_MEAN)
        return (course or self.stated.course).model_copy(update={"alpha": alpha})

    @cached_property
    def courses(self) -> dict[str, Course]:
        """How each metric that counts went, by name; of kag's own runs typed results say more."""
        if not self.record.is_foreign:
            return {}
        found = {metric.name: self.course_of(metric) for metric in self.metrics}
        return {name: course for name, course in found.items() if course is not None}

    def course_of(self, metric: Metric) -> Course | None:
        """Best (by the goal, the first of equal ones) and last value, with the epochs or steps; None if it was not
        logged.
        """
        places, values = self.series(metric.name)
        if not values:
            return None
        ended = Course(last=values[-1], last_epoch=places[-1], unit=self.unit(metric.name))
        if metric.goal is None:
            return ended
        pick = min if metric.goal == "min" else max
        best = pick(range(len(values)), key=values.__getitem__)
        return ended.model_copy(update={"best": values[best], "best_epoch": places[best]})

    def unit(self, key: str) -> Literal["epoch", "step"]:
        """What a metric is told by: epochs, unless W&B's steps are known and each value has not an epoch of its own."""
        if not self.rows or names.STEP not in self.rows[0]:
            return "epoch"
        if key not in self._units:
            self._units[key] = self._unit(key)
        return self._units[key]

    def _unit(self, key: str) -> Literal["epoch", "step"]:
        epochs = [row.get(names.EPOCH, math.nan) for row in self.rows if key in row]
        whole = all(epoch == math.floor(epoch) for epoch in epochs if math.isfinite(epoch))
        rising = all(before < after for before, after in pairwise([-math.inf, *epochs]))
        return "epoch" if whole and rising else "step"

    @cached_property
    def former(self) -> tuple[Course, ...]:
        """The course up to each time that the run was resumed; of one that does not say how far it was, nothing."""
        reached = [None if one.before is None else one.before.epochs_trained for one in self.record.resumes]
        return tuple(Course() if epochs is None else self._until(epochs).course for epochs in reached)

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Epochs (or steps) and values of a metric, those left out where it is missing or not finite."""
        if key not in self._series:
            rows = self.rows if any(key in row for row in self.rows) else ()
            pairs = [
                (place, row[key])
                for place, row in zip(self._places(key) if rows else (), rows, strict=True)
                if key in row and place is not None and math.isfinite(row[key])
            ]
            self._series[key] = [place for place, _ in pairs], [value for _, value in pairs]
        return self._series[key]

    def not_finite_at(self, key: str) -> tuple[int | None, float] | None:
        """The first epoch (or step) at which a metric is no finite number, and what it is; None if there is none."""
        axis = self._axis(key)
        rows = (row for row in self.rows if key in row and not math.isfinite(row[key]))
        return next(((count(row.get(axis)), row[key]) for row in rows), None)

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

    def at(self, place: int | None) -> Mapping[str, float]:
        """The row of an epoch (or step) of the course, what is not finite left out; empty if there is none."""
        axis = names.STEP if self.course.unit == "step" else names.EPOCH
        row = next((row for row in self.rows if row.get(axis) == place), {})
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

    def _until(self, epochs: int) -> Logged:
        return replace(self, rows=[row for row in self.rows if row[names.EPOCH] < epochs])

    def _axis(self, key: str) -> str:
        return names.STEP if self.unit(key) == "step" else names.EPOCH

    def _places(self, key: str) -> Sequence[int | None]:
        """The epoch (or step) of every row, by which a metric is told."""
        axis = self._axis(key)
        if axis not in self._axes:
            self._axes[axis] = [count(row.get(axis)) for row in self.rows]
        return self._axes[axis]

    @cached_property
    def _units(self) -> dict[str, Literal["epoch", "step"]]:
        """What `unit` has worked out so far."""
        return {}

    @cached_property
    def _axes(self) -> dict[str, Sequence[int | None]]:
        """What `_places` has worked out so far; all metrics of a run share one or two axes."""
        return {}

    def _mean(self, when: Literal["start", "end"], key: str) -> float | None:
        if thirds := self.thirds(key):
            return fmean(thirds[0] if when == "start" else thirds[1])
        return self.stated.observed.get(when, {}).get(key)

    @property
    def stated(self) -> Stated:
        """What a person stated; nothing for a run that was not imported."""
        return self.record.stated or Stated()
