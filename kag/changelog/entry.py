"""`Entry`: a run as the change log holds it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from kag.finding import Finding
from kag.names import evaluation
from kag.track.past import as_of
from kag.track.record import RunRecord
from kag.track.result import Result
from kag.track.stated import Course
from kag.view.metrics import Metric, held
from kag.view.results import delivered, finite

_AVERAGE = ("val", "auprc", "averaged")


@dataclass(frozen=True)
class Entry:
    """One run: its record, what its history comes to, the findings of its own, and what a person wrote."""

    record: RunRecord
    course: Course = field(default_factory=Course)
    findings: tuple[Finding, ...] = ()
    """What its record and history say without a look at other runs."""
    notes: str = ""
    former: tuple[Course, ...] = ()
    """What its history came to before each resume."""
    courses: Mapping[str, Course] = field(default_factory=dict)
    """How each metric that counts went, by name; none for a run of kag's own, whose results say more."""

    @property
    def id(self) -> str:
        """The run id."""
        return self.record.id

    def as_of(self, moment: datetime) -> Entry:
        """The run as it stood at a moment; see `kag.track.past.as_of`. Its findings are those of today."""
        record = as_of(self.record, moment).record
        if record is self.record:
            return self
        courses = dict(enumerate(self.former))
        return replace(self, record=record, course=courses.get(len(record.resumes), Course()))

    def auprc(self, split: str) -> Result | None:
        """AUPRC of the delivered weights; of whatever weights, where a source does not know which were delivered.

        None if it was not measured or is no number.
        """
        return finite(self._delivered.get(evaluation(split, "auprc")))

    def value(self, split: str) -> float | None:
        """The number of `auprc`, or None."""
        result = self.auprc(split)
        return None if result is None else result.value

    def measured(self, metric: Metric) -> float | None:
        """The number that stands for the run; None if it was not measured or is no number.

        Where no history tells the best value, the one that W&B holds stands for it.
        """
        if metric.value == "delivered" and (result := finite(self._delivered.get(metric.name))):
            return result.value
        course = self.courses.get(metric.name, Course())
        known = held(self.record, metric)
        found = (course.best, known) if metric.value == "best" else (known, course.last)
        value = next((one for one in found if one is not None), None)
        return value if value is not None and math.isfinite(value) else None

    @property
    def average(self) -> Result | None:
        """Val AUPRC of the averaged weights as they came, delivered or not; None as for `auprc`."""
        found = (one for one in self.record.results if (one.split, one.metric, one.weights) == _AVERAGE)
        return next((one for one in found if math.isfinite(one.value)), None)

    @cached_property
    def _delivered(self) -> Mapping[str, Result]:
        return delivered(self.record)
