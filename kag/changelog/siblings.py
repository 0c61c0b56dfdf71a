"""`Siblings`: all runs of a source, with what rules ask of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial

from kag.changelog.entry import Entry
from kag.changelog.groups import Group, groups_of
from kag.changelog.lookups import Places, by_test, by_weights, listed_before, looks_by_data, places_among_alike
from kag.changelog.repository import Between, NotKnown
from kag.changelog.selections import SelectionOf, not_known
from kag.changelog.tested import AgainstParent, Child, Families
from kag.compare.comparison import Comparison, compare
from kag.compare.groups import compare_groups, group_against_parent
from kag.compare.highest import highest_before
from kag.compare.paired import DrawnOf, Unpaired, not_asked
from kag.errors import RecordError
from kag.names import Part
from kag.track.evaluations import Subject
from kag.track.record import RunRecord
from kag.track.result import ExternalEvaluation
from kag.view.metrics import OWN, VAL, Metric
from kag.view.words import NamedRuns


@dataclass(frozen=True)
class Siblings:
    """Every run of a source in the order of start time, then id."""

    entries: Sequence[Entry] = ()
    fixes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(commit, file) -> the next commit that touched the file, as far as later runs reach."""
    broken: Sequence[RecordError] = ()
    """What is wrong with the runs that are left out."""
    between: Between | NotKnown = field(default_factory=Between)
    """The commits between those that runs stand on, or why git cannot say."""
    metrics: Sequence[Metric] = OWN
    """Those that count."""
    drawn: DrawnOf = not_asked
    """What runs scored on each example, for differences that are tested."""
    selected: SelectionOf = not_known
    """What the best trial of a sweep is worth."""
    told_files: Mapping[str, str] = field(default_factory=dict)
    """Of other programs: run id -> what a document says of the files that were touched."""
    seed_keys: tuple[str, ...] = ()
    """Settings that are seeds of other programs; empty finds them by their names."""

    @cached_property
    def by_id(self) -> dict[str, Entry]:
        """Entry of a run id."""
        return {entry.id: entry for entry in self.entries}

    def find(self, word: str | None, *, before: Entry | None = None) -> Entry | None:
        """The run that a word names: its id, or the newest run of that name.

        Args:
            before: where a name could mean this run or a later one, an earlier one is meant.
        """
        if word is None:
            return None
        found = self._named.meant(word, before=before.record if before else None)
        return self.by_id[found.id] if found else None

    @cached_property
    def groups(self) -> Sequence[Group]:
        """The runs, replicates together; see `groups_of`."""
        return tuple(groups_of(self.entries, self.seed_keys))

    def group(self, entry: Entry) -> Group:
        """A run with its replicates."""
        return self._group_of[entry.id]

    def own_parent(self, entry: Entry) -> Entry | None:
        """The run that this one is compared with by itself, whatever became of it since; see `NamedRuns.parent`."""
        found = self._named.parent(entry.record)
        return self.by_id[found.id] if found and found.id not in self.group(entry).ids else None

    def current_parent(self, entry: Entry) -> Entry | None:
        """The run that this one is compared with together with its replicates: that of the first of them."""
        return self.own_parent(self.group(entry).first)

    def judged_by(self, entry: Entry) -> Metric | None:
        """The metric by which a run stands above or below others of its kind: the first of which a goal is known."""
        return self._judged_by[entry.record.is_foreign]

    def parent(self, entry: Entry) -> Entry | None:
        """The run that this one is compared with, as it stood when this one began, if it is known."""
        parent = self.current_parent(entry)
        return parent.as_of(self.group(entry).first.record.start) if parent else None

    def against_parent(self, entry: Entry) -> Comparison | None:
        """A run beside its parent, each with its replicates; None if that is not known."""
        group = self.group(entry)
        if group.id not in self._against_parent:
            parent = self.current_parent(entry)
            sides = (self.group(parent).alike, group.alike) if parent else None
            self._against_parent[group.id] = group_against_parent(*sides, self.drawn) if sides else None
        return self._against_parent[group.id]

    @cached_property
    def families(self) -> Families:
        """What was tested of runs that are compared with the same parent, replicates once."""
        firsts = (group.first for group in self.groups)
        pairs = ((one, self.current_parent(one), self.against_parent(one)) for one in firsts)
        return Families(
            Child(one.id, self.group(parent).id, compared, metric.name if (metric := self.judged_by(one)) else None)
            for one, parent, compared in pairs
            if parent and compared
        )

    def tested(self, entry: Entry, split: Part) -> AgainstParent | Unpaired | None:
        """The tested difference of a run, or of it and its replicates, from the parent; None without one."""
        return self.families.test(self.group(entry).id, split)

    def value(self, entry: Entry, metric: Metric) -> float | None:
        """What stands for a run: of replicates their mean."""
        known = self.group(entry)
        return known.value(metric) if known.is_several else entry.measured(metric)

    def against_best(self, entry: Entry) -> Comparison | None:
        """A run beside the one with the highest value before it, by the metric that it is judged by; each with its
        replicates.
        """
        group = self.group(entry)
        if group.id not in self._against_best:
            metric = self.judged_by(entry)
            before = self.best_before(entry, metric) if metric else None
            self._against_best[group.id] = self._beside(before, group) if before else None
        return self._against_best[group.id]

    def _beside(self, before: Entry, group: Group) -> Comparison:
        other = self.group(before)
        # A run alone counts as it stood.
        stood = other.alike if other.is_several else replace(other.alike, runs=(before.record,))
        return compare_groups(stood, group.alike, self.drawn)

    def best_to_date(self, entry: Entry) -> bool:
        """Whether it is the highest so far and a test tells it apart from the highest before, or it is the first one.

        A run that differs from that one in nothing but the seed is none: a seed is no progress.
        """
        if not self.highest_so_far(entry):
            return False
        compared, metric = self.against_best(entry), self.judged_by(entry)
        if compared is None or metric is None:
            return True
        tested = compared.test_of(metric.name)
        if isinstance(tested, Unpaired) or compared.seed_alone:
            return False
        # What another program logged may be of another moment than the scores that it kept.
        return tested.told_apart and metric.better(tested.value, 0.0)

    def best_before(self, entry: Entry, metric: Metric = VAL) -> Entry | None:
        """The run with the highest value (by its goal the lowest) so far on the same data, as it stood when this run's
        number came about.
        """
        if metric not in self._bests:
            records = [group.first.record for group in self.groups]
            sign = -1 if metric.goal == "min" else 1
            values = ((group.id, group.value(metric)) for group in self.groups if group.is_several)
            means = {run: None if value is None else sign * value for run, value in values}
            self._bests[metric] = highest_before(records, partial(self._height, metric), means)
        record = self._bests[metric][self.group(entry).id]
        return replace(self.by_id[record.id], record=record) if record else None

    def highest_so_far(self, entry: Entry) -> bool:
        """Whether no earlier run reached its value, by the goal of the metric that it is judged by.

        Of another program's run, one that differs from the highest before in nothing but the seed is none.
        """
        metric = self.judged_by(entry)
        value = self.value(entry, metric) if metric else None
        before = self.best_before(entry, metric) if metric else None
        if metric is None or value is None or before is None:
            return value is not None
        highest = self.value(before, metric)
        if highest is not None and not metric.better(value, highest):
            return False
        compared = compare(before.record, entry.record, seed_keys=self.seed_keys)
        return not (entry.record.is_foreign and compared.seed_alone)

    def against(self, entry: Entry) -> str:
        """Words for the run that this one is compared with, where it names no parent itself; else empty."""
        record = self.group(entry).first.record
        before = self._named.run_before(record)
        if before is None:
            return ""
        grouped = before.group is not None and before.group == record.group
        replicates = " its replicates" if self._named.passed_over(record) else ""
        return f"the run before{replicates}{' in its group' if grouped else ''}"

    def alike(self, entry: Entry, *, but_seed: bool, most: int) -> Sequence[Entry]:
        """Runs of other programs before this one with the same settings, the newest first; archived ones are none.

        Args:
            entry: the run.
            but_seed: another seed is the same.
            most: how many at most.
        """
        same, place = self._alike[but_seed].get(entry.id, ((), 0))
        return same[max(0, place - most) : place][::-1]

    def of_weights(self, digest: str) -> Entry | None:
        """The first run that holds weights with this digest, or held them before it was resumed."""
        return self._by_weights.get(digest)

    def same_test(self, entry: Entry) -> Sequence[Entry]:
        """Runs, this one included, whose test AUPRC was the same number when this one began, in order; archived ones
        are left out.
        """
        value, begun = entry.value("test"), entry.record.start
        others = (one for one in self._by_test.get(value, ()) if one.id == entry.id or not one.record.archived)
        return [one for one in others if one.id == entry.id or one.as_of(begun).value("test") == value]

    def looks(self, evaluation: ExternalEvaluation) -> int:
        """How many different weights had been evaluated on the same data when this was done, its own included."""
        looks = self._looks.get(Subject.of(evaluation).data_digest, ())
        return len({weights for when, weights in looks if when <= evaluation.when})

    def listed_before(self, entry: Entry) -> Entry | None:
        """The run that started last among those that a hand-kept log lists above this one."""
        return self._listed_before.get(entry.id)

    def origins(self, entry: Entry) -> set[str]:
        """Ids of all runs that its weights came from, over any number of steps; known or not."""
        found: set[str] = set()
        waiting = [entry]
        while waiting:
            run = waiting.pop()
            for source in run.record.made_from:
                known = self.find(source.run, before=run)
                name = known.id if known else source.run
                if name not in found:
                    found.add(name)
                    waiting += [known] if known else []
        return found

    @cached_property
    def _named(self) -> NamedRuns:
        return NamedRuns((entry.record for entry in self.entries), self.seed_keys)

    @cached_property
    def _group_of(self) -> Mapping[str, Group]:
        return {run: group for group in self.groups for run in group.ids}

    @cached_property
    def _against_parent(self) -> dict[str, Comparison | None]:
        """What `against_parent` has worked out so far; several rules ask for the same."""
        return {}

    @cached_property
    def _against_best(self) -> dict[str, Comparison | None]:
        """What `against_best` has worked out so far."""
        return {}

    @cached_property
    def _bests(self) -> dict[Metric, dict[str, RunRecord | None]]:
        """What `best_before` has worked out so far, by metric."""
        return {}

    def _height(self, metric: Metric, record: RunRecord) -> float | None:
        """What stands for a run, the better the higher."""
        known = self.by_id[record.id]
        value = (known if known.record is record else replace(known, record=record)).measured(metric)
        return -value if value is not None and metric.goal == "min" else value

    @cached_property
    def _judged_by(self) -> dict[bool, Metric | None]:
        """By whether a run is of another program."""
        goals = [metric for metric in self.metrics if metric.goal]
        kinds = {kind: [one for one in self.entries if one.record.is_foreign is kind] for kind in (False, True)}
        return {
            kind: next((one for one in goals if any(entry.measured(one) is not None for entry in entries)), None)
            for kind, entries in kinds.items()
        }

    @cached_property
    def _alike(self) -> Mapping[bool, Places]:
        """By whether another seed is the same."""
        return {one: places_among_alike(self.entries, but_seed=one, seed_keys=self.seed_keys) for one in (False, True)}

    @cached_property
    def _by_weights(self) -> Mapping[str, Entry]:
        return by_weights(self.entries)

    @cached_property
    def _by_test(self) -> Mapping[float | None, Sequence[Entry]]:
        return by_test(self.entries)

    @cached_property
    def _looks(self) -> Mapping[str | None, Sequence[tuple[datetime, str | None]]]:
        return looks_by_data(self.entries)

    @cached_property
    def _listed_before(self) -> Mapping[str, Entry]:
        return listed_before(self.entries)
