"""Which runs of a log are one row: those that differ in the seed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kag.changelog.entry import Entry
from kag.compare.replicates import Replicates, Spread, replicates
from kag.text import MISSING
from kag.track.record import RunRecord
from kag.view.alike import seed_of
from kag.view.metrics import Metric


@dataclass(frozen=True)
class Group:
    """A run and its replicates, or a run that has none, which stands for itself in every question."""

    entries: tuple[Entry, ...]
    """In the order of start."""
    alike: Replicates
    """Their records."""

    @property
    def first(self) -> Entry:
        """The run that began first: the row is known by it, whatever seeds come later."""
        return self.entries[0]

    @property
    def id(self) -> str:
        """The id of the first run."""
        return self.first.id

    @property
    def is_several(self) -> bool:
        """Whether it has several seeds."""
        return len(self.entries) > 1

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of all its runs."""
        return frozenset(entry.id for entry in self.entries)

    def seed(self, entry: Entry) -> str:
        """The seed of one of its runs, as a text."""
        return seed_of(entry.record, self.alike.seed_keys) or MISSING

    def spread(self, metric: Metric) -> Spread:
        """What its seeds give of a metric."""
        by_id = {entry.id: entry for entry in self.entries}
        return self.alike.spread(lambda record: by_id[record.id].measured(metric))

    def value(self, metric: Metric) -> float | None:
        """The mean over its seeds; of a run alone its own value."""
        return self.spread(metric).mean if self.is_several else self.first.measured(metric)


def groups_of(entries: Sequence[Entry], seed_keys: Sequence[str] = ()) -> Iterator[Group]:
    """Every run once, in the order of the first run of each group.

    A trial of a sweep is no replicate of a run outside it: its row is that of the sweep. Nor does an archived run count
    among those that are not. Runs of one seed stay rows of their own: they are the same run once more.

    Args:
        entries: every run of the source, in the order of start.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
    """
    by_id = {entry.id: entry for entry in entries}
    found: dict[str, Group] = {}
    for like in replicates((entry.record for entry in entries), seed_keys):
        for part in _parts(like):
            found[part.runs[0].id] = Group(tuple(by_id[record.id] for record in part.runs), part)
    yield from (found[entry.id] for entry in entries if entry.id in found)


def _parts(like: Replicates) -> Iterator[Replicates]:
    parts: defaultdict[tuple[bool, str | None], list[RunRecord]] = defaultdict(list)
    for record in like.runs:
        parts[record.archived, record.sweep].append(record)
    for runs in parts.values():
        part = replace(like, runs=tuple(runs))
        yield from [part] if len(part.by_seed) > 1 else (replace(like, runs=(record,)) for record in runs)
