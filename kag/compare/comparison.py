"""`compare`: whether two runs may be set side by side, on which settings they differ, and by how much their numbers do.

The only source of what is said of runs together: the rules of the change log, `kag runs compare`, the page and the
report ask it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from kag.compare.paired import DrawnOf, Unpaired, differences, not_asked
from kag.names import METRICS, Part, evaluation
from kag.stats.interval import Interval
from kag.text import digest
from kag.track.past import as_of
from kag.track.record import Change, RunRecord
from kag.track.result import Result
from kag.view.alike import data_of
from kag.view.changes import but_seeds, diff, seed_alone
from kag.view.results import delivered, finite

if TYPE_CHECKING:
    from kag.stats.paired import Difference

COMPARED: tuple[Part, ...] = ("val", "test")

SHOWN = 3
"""Runs that a sentence lists."""


class ResultPair(NamedTuple):
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
    unsure: tuple[Change, ...] = ()
    """Settings of the first run of which nobody knows how they stood; see `against_parent`."""
    drawn: DrawnOf = not_asked
    """Where the draws of both are."""
    seed_keys: tuple[str, ...] = ()
    """Settings of another program that a person has named as its seeds."""

    @cached_property
    def reason(self) -> str | None:
        """Why their numbers must not be set side by side, in a sentence; None if they may, as far as is known.

        They may if they are on the same data, or nothing is known of the data of either, and neither chose its weights
        by looking at the test split.
        """
        return next(iter(not_comparable((self.before, self.after))), None)

    @property
    def same_data(self) -> bool:
        """Whether both are known to be of the same data."""
        return data_of(self.before) is not None and data_of(self.before) == data_of(self.after)

    @property
    def settings(self) -> tuple[Change, ...]:
        """What is known to differ between them: settings, world, data."""
        return self._differing

    @property
    def seed_alone(self) -> bool:
        """Whether nothing is known to differ but the random numbers that they draw."""
        return seed_alone(self._differing, self.seed_keys)

    @property
    def but_seeds(self) -> tuple[Change, ...]:
        """What is known to differ beside the random numbers that they draw."""
        return but_seeds(self._differing, self.seed_keys)

    def difference(self, split: str, metric: str = "auprc") -> ResultPair | None:
        """A number that both have; None where one lacks it or they are not comparable."""
        before, after = (finite(one.get(evaluation(split, metric))) for one in self._delivered)
        if before is None or after is None or self.reason is not None:
            return None
        return ResultPair(split, metric, before, after)

    @cached_property
    def differences(self) -> tuple[ResultPair, ...]:
        """Every number that both have, val first; none if they are not comparable."""
        pairs = ((split, metric) for split in COMPARED for metric in METRICS)
        return tuple(found for pair in pairs if (found := self.difference(*pair)) is not None)

    @property
    def same_weights(self) -> bool:
        """Whether both hand on the same weights, so that nothing can differ."""
        digests = [{one.weights_digest for one in found.values()} for found in self._delivered]
        return digests[0] == digests[1] and len(digests[0]) == 1 and None not in digests[0]

    def tested(self, split: Part) -> Mapping[str, Difference] | Unpaired:
        """The paired difference of every number that both have on a split, by metric; or why they are no pairs."""
        if split not in self._tested:
            self._tested[split] = self._test(split)
        return self._tested[split]

    def test(self, split: Part, metric: str = "auprc") -> Difference | Unpaired:
        """The paired difference of one of them."""
        found = self.tested(split)
        if isinstance(found, Unpaired):
            return found
        return found.get(metric) or Unpaired(f"{metric} of {split} is not defined in both")

    def test_of(self, name: str) -> Difference | Unpaired:
        """The paired difference of a metric by the name under which it is logged: `val/auprc`."""
        where, _, metric = name.rpartition("/")
        split = next((one for one in COMPARED if one == where), None)
        return self.test(split, metric) if split else Unpaired(f"{name} is of no split")

    @cached_property
    def _differing(self) -> tuple[Change, ...]:
        return tuple(change for change in diff(self.before, self.after) if not self._is_unsure(change.key))

    @cached_property
    def _tested(self) -> dict[Part, Mapping[str, Difference] | Unpaired]:
        return {}

    def _test(self, split: Part) -> Mapping[str, Difference] | Unpaired:
        if self.reason is not None:
            return Unpaired(self.reason)
        before, after = (number_on(split, found) for found in self._delivered)
        for record, number in ((self.before, before), (self.after, after)):
            if number is None and not record.is_foreign:
                return Unpaired(f"{record.id} has no number on {split}")
        return differences((self.before, before), (self.after, after), split, self.drawn)

    @cached_property
    def _delivered(self) -> tuple[Mapping[str, Result], Mapping[str, Result]]:
        """The numbers of both; several rules ask for one after another."""
        return delivered(self.before), delivered(self.after)

    def _is_unsure(self, key: str) -> bool:
        """Whether a key is one of them, inside one of them, or has one of them inside."""
        return any(f"{key}.".startswith(f"{one.key}.") or one.key.startswith(f"{key}.") for one in self.unsure)


def compare(
    before: RunRecord, after: RunRecord, drawn: DrawnOf = not_asked, seed_keys: tuple[str, ...] = ()
) -> Comparison:
    """The comparison of two runs as they stand; each part is worked out when it is asked for."""
    return Comparison(before, after, (), drawn, seed_keys)


def against_parent(
    parent: RunRecord, run: RunRecord, drawn: DrawnOf = not_asked, seed_keys: tuple[str, ...] = ()
) -> Comparison:
    """A run beside its parent as that stood when the run began: what became of the parent later changes nothing."""
    past = as_of(parent, run.start)
    return Comparison(past.record, run, past.unsure, drawn, seed_keys)


def number_on(split: Part, handed_on: Mapping[str, Result]) -> Result | None:
    """Any number of the weights that a run hands on, of a split: all name the same weights."""
    return next((one for one in handed_on.values() if one.split == split), None)


def on_other_data(one: RunRecord, other: RunRecord) -> bool:
    """Whether two runs are known to be on different data."""
    return len({data_of(one), data_of(other)} - {None}) > 1


def data_text(record: RunRecord) -> str:
    """The data of a run as they are written, `unknown` for those of which nobody knows."""
    return digest(record.data_digest) if record.data_digest else data_of(record) or "unknown"


def not_comparable(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """Why numbers of these runs must not be set side by side, a sentence for each reason; see `Comparison.reason`."""
    known: dict[str, RunRecord] = {}
    for record in records:
        if (data := data_of(record)) is not None:
            known.setdefault(data, record)
    told = [(record.id, data_text(record)) for record in known.values()]
    apart = (f"{told[0][0]} and {run} are on different data ({told[0][1]}, {data})" for run, data in told[1:])
    unknown = [record.id for record in records if known and data_of(record) is None]
    rest = f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else ""
    lost = [f"the data of {', '.join(unknown[:SHOWN])}{rest} are not known"] if unknown else []
    chosen = (f"{record.id} chose its weights by {on}" for record in records if (on := chosen_on_test(record)))
    return (*apart, *lost, *chosen)


def in_doubt(records: Sequence[RunRecord]) -> str | None:
    """What is to be said beside numbers of runs of which nobody knows whether they are on the same data, else None."""
    unknown = len(records) > 1 and all(data_of(record) is None for record in records)
    return "it is not known on what data these runs are" if unknown else None


def chosen_on_test(record: RunRecord) -> str | None:
    """The number on the test split by which a run chose its weights, `test/auprc`; None if it did not."""
    return next((one.selected_on for one in record.results if (one.selected_on or "").startswith("test/")), None)
