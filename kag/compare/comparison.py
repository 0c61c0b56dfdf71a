"""`compare`: whether two runs may be set side by side, on which settings they differ, and by how much their numbers do.

The only source of what is said of runs together: the rules of the change log, `kag runs compare`, the page and the
report ask it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kag.names import METRICS
from kag.stats.interval import Interval
from kag.text import digest
from kag.track.record import Change, RunRecord
from kag.track.result import Result
from kag.view.changes import diff
from kag.view.results import headline

COMPARED = ("val", "test")


class Difference(NamedTuple):
    """One number of both runs."""

    split: str
    metric: str
    before: Result
    after: Result

    @property
    def change(self) -> float:
        """How far the second run's number lies above the first one's."""
        return self.after.value - self.before.value

    @property
    def inside(self) -> Interval | None:
        """The 95 % interval of one of them that holds the other one's number: they cannot be told apart.

        None if there is none, and where no interval is known; see `measured`.
        """
        for own, other in ((self.after, self.before), (self.before, self.after)):
            if own.ci_low is not None and own.ci_high is not None and own.ci_low <= other.value <= own.ci_high:
                return Interval(own.ci_low, own.ci_high)
        return None

    @property
    def measured(self) -> bool:
        """Whether the second run's number has an interval."""
        return self.after.ci_low is not None


@dataclass(frozen=True)
class Comparison:
    """Two runs by the weights that they hand on, the earlier one first."""

    before: RunRecord
    after: RunRecord

    @cached_property
    def reason(self) -> str | None:
        """Why their numbers must not be set side by side, in a sentence; None if they may, as far as is known.

        They may if no data digest says otherwise and neither chose its weights by looking at the test split.
        """
        return next(iter(not_comparable((self.before, self.after))), None)

    @property
    def same_data(self) -> bool:
        """Whether both are known to be of the same data."""
        return self.before.data_digest is not None and self.before.data_digest == self.after.data_digest

    @cached_property
    def settings(self) -> tuple[Change, ...]:
        """What differs between them: settings, world, data."""
        return diff(self.before, self.after)

    def difference(self, split: str, metric: str = "auprc") -> Difference | None:
        """A number that both have; None where one lacks it or they are not comparable."""
        before, after = headline(self.before, split, metric), headline(self.after, split, metric)
        if before is None or after is None or self.reason is not None:
            return None
        return Difference(split, metric, before, after)

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every number that both have, val first; none if they are not comparable."""
        pairs = ((split, metric) for split in COMPARED for metric in METRICS)
        return tuple(found for pair in pairs if (found := self.difference(*pair)) is not None)


def compare(before: RunRecord, after: RunRecord) -> Comparison:
    """The comparison of two runs; each part is worked out when it is asked for."""
    return Comparison(before, after)


def not_comparable(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Why numbers of these runs must not be set side by side, a sentence for each reason; see `Comparison.reason`."""
    known: dict[str, RunRecord] = {}
    for record in records:
        if record.data_digest is not None:
            known.setdefault(record.data_digest, record)
    apart = [(record.id, digest(data)) for data, record in known.items()]
    data = (f"{apart[0][0]} and {run} are on different data ({apart[0][1]}, {cut})" for run, cut in apart[1:])
    return (*data, *(f"{record.id} chose its weights by {on}" for record in records if (on := chosen_on_test(record))))


def chosen_on_test(record: RunRecord) -> str | None:
    """The number on the test split by which a run chose its weights, `test/auprc`; None if it did not."""
    return next((one.selected_on for one in record.results if (one.selected_on or "").startswith("test/")), None)
