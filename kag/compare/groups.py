"""Two groups of replicates side by side: by their means, with the spread of seeds and of examples.

They are asked as two runs are (`kag.compare.comparison`). A run that has no like is a group of one; then nothing is
known of the spread of its seeds, and a tested difference is of these very weights (`over_seeds` is False).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from statistics import fmean
from typing import TYPE_CHECKING

from kag.compare.comparison import Comparison, ResultPair, against_parent, compare, not_comparable, number_on
from kag.compare.paired import DrawnOf, Side, Unpaired, group_differences, not_asked
from kag.compare.replicates import Replicates
from kag.names import Part
from kag.track.past import as_of
from kag.track.record import Change, RunRecord
from kag.track.result import Result
from kag.view.results import delivered, headline

if TYPE_CHECKING:
    from kag.stats.paired import Difference


@dataclass(frozen=True)
class GroupComparison(Comparison):
    """Two groups, of which one at least has several seeds; `before` and `after` are the first run of each."""

    groups: tuple[Replicates, Replicates] = field(kw_only=True)

    @cached_property
    def reason(self) -> str | None:
        """As for two runs, of all runs of both."""
        return next(iter(not_comparable([record for group in self.groups for record in group.runs])), None)

    @cached_property
    def settings(self) -> tuple[Change, ...]:
        """What is known to differ between them; a seed does not."""
        return self.but_seeds

    @property
    def seeds(self) -> tuple[int, int]:
        """How many of each ended well, and count."""
        before, after = (1 if _alone(group) else len(group.counted(lambda _: 0.0)) for group in self.groups)
        return before, after

    @property
    def same_weights(self) -> bool:
        """Never: other seeds come to other weights."""
        return False

    def difference(self, split: str, metric: str = "auprc") -> ResultPair | None:
        """The means of both; a mean has no interval of its own."""
        before, after = (_mean(group, split, metric) for group in self.groups)
        if before is None or after is None or self.reason is not None:
            return None
        return ResultPair(split, metric, before, after)

    def sides(self, split: Part) -> tuple[Sequence[Side], Sequence[Side]]:
        """The runs of both groups that are tested on a split, each with a number of its weights."""
        before, after = (_sides(group, split) for group in self.groups)
        return before, after

    def _test(self, split: Part) -> Mapping[str, Difference] | Unpaired:
        if self.reason is not None:
            return Unpaired(self.reason)
        before, after = self.sides(split)
        for group, sides in zip(self.groups, (before, after), strict=True):
            if not sides:
                return Unpaired(f"{_called(group)} no number on {split}")
        return group_differences(before, after, split, self.drawn)


def compare_groups(before: Replicates, after: Replicates, drawn: DrawnOf = not_asked) -> Comparison:
    """The comparison of two groups as they stand; of two runs alone it is theirs."""
    first, other = before.runs[0], after.runs[0]
    if _alone(before) and _alone(after):
        return compare(first, other, drawn, after.seed_keys)
    return GroupComparison(first, other, (), drawn, after.seed_keys, groups=(before, after))


def group_against_parent(parent: Replicates, group: Replicates, drawn: DrawnOf = not_asked) -> Comparison:
    """A group beside that of its parent, whose runs count as they stood when the first run of the group began.

    A seed of the parent that came later counts as it stands.
    """
    begun = group.runs[0].start
    if _alone(parent) and _alone(group):
        return against_parent(parent.runs[0], group.runs[0], drawn, group.seed_keys)
    past = as_of(parent.runs[0], begun)
    stood = replace(parent, runs=tuple(_as_of(record, begun) for record in parent.runs))
    return GroupComparison(past.record, group.runs[0], past.unsure, drawn, group.seed_keys, groups=(stood, group))


def seeds_text(compared: Comparison) -> str:
    """What a sentence adds to a tested difference of groups: `, over 5 and 5 seeds`; nothing to one of two runs.

    With one seed on a side the interval says nothing of other seeds.
    """
    if not isinstance(compared, GroupComparison):
        return ""
    before, after = compared.seeds
    if min(before, after) > 1:
        return f", over {before} and {after} seeds"
    return f", over {before} and {after} seeds, so of these weights alone"


def value_of(split: str, metric: str, record: RunRecord) -> float | None:
    """A number of the weights that a run hands on."""
    found = headline(record, split, metric)
    return found.value if found else None


def _as_of(record: RunRecord, moment: datetime) -> RunRecord:
    return record if record.start > moment else as_of(record, moment).record


def _alone(group: Replicates) -> bool:
    return len(group.runs) == 1


def _mean(group: Replicates, split: str, metric: str) -> Result | None:
    """The mean over the seeds as a number that names no weights; of a run alone its own number."""
    if _alone(group):
        return headline(group.runs[0], split, metric)
    counted = group.counted(partial(value_of, split, metric))
    found = [result for record, _ in counted if (result := headline(record, split, metric)) is not None]
    if not found:
        return None
    mean = fmean(result.value for result in found)
    own = {"ci_low": None, "ci_high": None, "weights_digest": None, "epoch": None}
    return found[0].model_copy(update={"value": mean, **own})


def _sides(group: Replicates, split: Part) -> Sequence[Side]:
    """Of each seed the newest run that ended well and has a number on a split; a run alone counts however it ended."""
    if _alone(group):
        found = [_side(record, split) for record in group.runs]
    else:
        by_seed = ([_side(one, split) for one in reversed(runs) if one.status.done] for runs in group.by_seed.values())
        found = [side for sides in by_seed for side in [one for one in sides if _counts(one)][:1]]
    return [side for side in found if _counts(side)]


def _side(record: RunRecord, split: Part) -> Side:
    return record, number_on(split, delivered(record))


def _counts(side: Side) -> bool:
    """Whether it has a number; of another program the scores alone tell."""
    return side[1] is not None or side[0].is_foreign


def _called(group: Replicates) -> str:
    first = group.runs[0].id
    return f"{first} has" if _alone(group) else f"{first} and its replicates have"
