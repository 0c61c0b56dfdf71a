"""What is said of two runs, or of two groups of replicates, in one sentence: whether they may be compared, which number
is higher, and what differs. Of a group the mean over its seeds counts.

Where both kept their scores the difference is tested, example by example, and only what the test tells apart is called
better. Without scores it rests on the interval of each run's own number. Runs that both intervals hold may still
differ, and the other way round: the difference itself is not tested, and the sentence says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kag.compare.comparison import COMPARED, Comparison, in_doubt, not_comparable
from kag.compare.groups import compare_groups, seeds_text
from kag.compare.paired import DrawnOf, Unpaired, not_asked
from kag.compare.replicates import Replicates
from kag.compare.wording import group_text, tested_text
from kag.names import Part, evaluation
from kag.stats.interval import Interval
from kag.text import commit, number
from kag.track.record import Change, RunRecord
from kag.track.result import Result
from kag.view.alike import data_of
from kag.view.changes import phrase, seed_alone
from kag.view.metrics import Metric
from kag.view.results import interval, measured_column

if TYPE_CHECKING:
    from kag.stats.paired import Difference

LISTED = 4
"""Differing settings that the sentence lists."""

_NOT_TESTED = "the difference itself is not tested"

Values = Mapping[str, Mapping[Metric, float | None]]
"""Run id -> what stands for a run of another program, by the metrics that count."""


@dataclass(frozen=True)
class Verdict:
    """Two runs, or groups of replicates, in the order in which they were named."""

    groups: tuple[Replicates, Replicates]
    """A run alone is a group of one."""
    metric: Metric | None = None
    """The first of those that count which both have, one with a goal if there is one."""
    values: tuple[float, float] | None = None
    results: tuple[Result | None, Result | None] = (None, None)
    """Where the values are from; None of another program's, and of a mean."""
    lacking: tuple[str, ...] = ()
    """Names of those that do not have it, where no metric that counts is of both."""
    drawn: DrawnOf = not_asked
    """Where the draws of both are."""

    @property
    def before(self) -> RunRecord:
        """The run that was named first, or the first run of that group."""
        return self.groups[0].runs[0]

    @property
    def after(self) -> RunRecord:
        """The other one."""
        return self.groups[1].runs[0]

    @property
    def runs(self) -> tuple[RunRecord, ...]:
        """All runs of both."""
        return tuple(record for group in self.groups for record in group.runs)

    @property
    def is_of_groups(self) -> bool:
        """Whether one of them at least is of several runs."""
        return len(self.runs) > len(self.groups)

    @cached_property
    def compared(self) -> Comparison:
        """The comparison that it puts into words."""
        return compare_groups(*self.groups, self.drawn)

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why their numbers must not be set side by side."""
        return not_comparable(self.runs)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What is known to differ: settings, world, data, and the commit that they stand on."""
        own, other = (record.git.commit if record.git else None for record in (self.before, self.after))
        known = self.compared.settings
        if own is None or other is None or own == other:
            return known
        return (*known, Change(key="commit", before=commit(own), after=commit(other)))

    @property
    def higher(self) -> str | None:
        """Id of the run with the higher value, or of the first of that group; None where they are equal, or must not be
        compared.
        """
        if self.reasons or self.values is None or self.values[0] == self.values[1]:
            return None
        return (self.before if self.values[0] > self.values[1] else self.after).id

    @property
    def apart(self) -> bool | None:
        """Whether each value lies outside the other one's 95 % interval, as far as these are known; None if none is."""
        if self.reasons or self.values is None:
            return None
        pairs = zip(map(_interval, self.results), reversed(self.values), strict=True)
        known = [held.low <= value <= held.high for held, value in pairs if held is not None]
        return not any(known) if known else None

    @cached_property
    def tested(self) -> Difference | Unpaired:
        """The paired difference of the metric, or why there is none."""
        if self.metric is None or self.values is None:
            return Unpaired("they have no number in common")
        return self.compared.test_of(self.metric.name)

    @cached_property
    def paired(self) -> Mapping[str, Difference]:
        """Every difference that could be tested: `val/auprc` and so on."""
        found = {split: self.compared.tested(split) for split in COMPARED}
        return {
            evaluation(split, name): one
            for split, tests in found.items()
            if not isinstance(tests, Unpaired)
            for name, one in tests.items()
        }

    @property
    def unpaired(self) -> Mapping[Part, str]:
        """Splits on which nothing could be tested, and why."""
        found = {split: self.compared.tested(split) for split in COMPARED}
        return {split: one.reason for split, one in found.items() if isinstance(one, Unpaired)}

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        if self.before.id == self.after.id:
            return f"{self.before.id} is named twice"
        if self.reasons:
            return f"not comparable: {'; '.join(self.reasons)}"
        doubt = in_doubt(self.runs)
        said = [*self._numbers(), *self._standing(), *([doubt] if doubt else []), self._differing(), *self._named()]
        return "; ".join(said)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        comparable = None if data_of(self.before) is None and not self.reasons else not self.reasons
        values = self.values if not self.reasons else None
        return {
            "runs": [self.before.id, self.after.id],
            "groups": [[record.id for record in group.runs] for group in self.groups],
            "comparable": comparable,
            "reasons": list(self.reasons),
            "metric": self.metric.name if self.metric else None,
            "goal": self.metric.goal if self.metric else None,
            "values": list(values) if values else None,
            "intervals": [one and [one.low, one.high] for one in map(_interval, self.results)],
            "difference": values[1] - values[0] if values else None,
            "higher": self.higher,
            "apart": self.apart,
            "same_weights": self.compared.same_weights,
            "paired": {key: _as_json(one) for key, one in self.paired.items()},
            "unpaired": dict(self.unpaired),
            "changes": [change.model_dump(mode="json") for change in self.changes],
            "sentence": self.sentence,
        }

    def _numbers(self) -> list[str]:
        if self.metric is None or self.values is None:
            lacking, title = " and ".join(self.lacking), self.metric.title if self.metric else "metric that counts"
            return [f"no verdict: {lacking} {'have' if len(self.lacking) > 1 else 'has'} no {title}"]
        told = measured_column(self.metric.name, self.values)
        before, after = map(group_text, self.groups)
        if self.compared.same_weights:
            return [f"{before} and {after} hand on the same weights: {self.metric.title} {told[0]}"]
        pairs = zip(told, self.results, strict=True)
        texts = [f"{text} {interval(one)}" if _interval(one) else text for text, one in pairs]
        means = zip(texts, self.groups, strict=True)
        texts = [f"mean {text}" if len(group.runs) > 1 else text for text, group in means]
        if self.values[0] == self.values[1]:
            return [f"{before} and {after} have the same {self.metric.title}, {told[0]}"]
        ahead = (self.values[1] > self.values[0]) is (self.metric.goal != "min")
        run, texts = (after, texts[::-1]) if ahead else (before, texts)
        how = "lower" if self.metric.goal == "min" else "higher"
        if not isinstance(self.tested, Unpaired):
            tested = self.tested if ahead else -self.tested
            known = "is not distinguishable from the other: it has"
            if tested.told_apart:
                # What another program logged may be of another moment than the scores that it kept.
                agrees = (tested.value < 0.0) is (self.metric.goal == "min")
                known = "is better:" if agrees else "is worse by the scores that both kept, and has"
            return [
                f"{run} {known} {how} {self.metric.title}, {texts[0]} against {texts[1]}",
                paired_text(self.metric.name, tested) + seeds_text(self.compared),
            ]
        by = number(abs(self.values[1] - self.values[0]), digits=2)
        first = f"{run} has the {how} {self.metric.title}: {texts[0]} against {texts[1]}, by {by}"
        marginal = [] if self.is_of_groups else [self._marginal()]
        return [first, *marginal, *(self._others() or [f"unpaired, {self.tested.reason}: {_NOT_TESTED}"])]

    def _others(self) -> list[str]:
        """What was tested in place of the metric: another program may score examples and count something else."""
        after, over = group_text(self.groups[1]), seeds_text(self.compared)
        return [f"{key} of {after}: {paired_text(key, one)}{over}" for key, one in self.paired.items()]

    def _marginal(self) -> str:
        """What the intervals of the numbers themselves say."""
        if self.apart is None:
            return "no interval is known"
        if self.apart:
            return "each lies outside the other's 95 % interval, as far as known"
        return "not distinguishable by their own 95 % intervals, one of which holds both"

    def _standing(self) -> list[str]:
        """How a run stands that has not ended well: its number may change, or be of little worth."""
        return [f"{one.id} is {one.status.value}" for one in self.runs if not one.status.done]

    def _differing(self) -> str:
        if not self.changes:
            return "nothing is known to differ between them"
        whole = self.before.is_foreign or self.after.is_foreign
        alone = (
            "nothing but the seed differs" if seed_alone(self.changes, self.groups[1].seed_keys) else "they differ in"
        )
        return f"{alone}: {phrase(self.changes, LISTED, whole=whole)}"

    def _named(self) -> list[str]:
        """Which runs the groups are of."""
        own, other = (", ".join(record.id for record in group.runs) for group in self.groups)
        return [f"compared are {own} with {other}"] if self.is_of_groups else []


def paired_text(metric: str, tested: Difference) -> str:
    """`paired difference +0.050 [+0.030, +0.070], P(higher) 0.99`."""
    return f"paired difference {tested_text(metric, tested)}, P(higher) {tested.better:.2f}"


def _as_json(tested: Difference) -> dict[str, Any]:
    held = tested.interval
    return {
        "difference": tested.value,
        "interval": [held.low, held.high] if held else None,
        "p_higher": tested.better,
        "p_value": tested.p_value if held else None,
        "told_apart": tested.told_apart,
    }


def _interval(result: Result | None) -> Interval | None:
    if result is None or result.ci_low is None or result.ci_high is None:
        return None
    return Interval(result.ci_low, result.ci_high)
