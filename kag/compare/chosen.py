"""Two searches against each other: how far the best of one lies above that of the other, without what choosing adds.

Each side is a sweep, or runs that differ in the seed alone, which are one candidate: their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kag.compare.comparison import not_comparable
from kag.compare.replicates import replicates
from kag.compare.selection import Settings, chosen_among, drawn_of, most_promising
from kag.errors import RecordError
from kag.track.record import RunRecord
from kag.track.source import ScoresOf
from kag.view.words import run_meant

if TYPE_CHECKING:
    from kag.stats.selection import ChosenDifference


@dataclass(frozen=True)
class Side:
    """What a choice was made among."""

    name: str
    """Sweep id, or the run's."""
    best_first: tuple[Settings, ...]

    @property
    def best(self) -> Settings:
        """What was chosen."""
        return self.best_first[0]


def side_of(word: str, records: Sequence[RunRecord], *, where: str) -> Side:
    """The sweep that a word names, by its id or its beginning; else a run, with those that differ in the seed alone.

    Args:
        records: every run of the source.
        where: the source.

    Raises:
        RecordError: neither fits, several do, or none of the runs has a number.
    """
    sweeps = sorted({record.sweep for record in records if record.sweep and record.sweep.startswith(word)})
    sweeps = [word] if word in sweeps else sweeps
    if len(sweeps) > 1:
        raise RecordError(f"{word!r} may be {' or '.join(sweeps)}", where=where, remedy="write more of the id")
    if sweeps:
        name, trials = sweeps[0], [record for record in records if record.sweep == sweeps[0]]
    else:
        run = run_meant(word, records, where=where)
        groups = replicates([record for record in records if record.sweep is None])
        name, trials = run.id, list(next((one.runs for one in groups if run in one.runs), (run,)))
    found, _ = chosen_among(trials)
    if not found:
        raise RecordError(f"no run of {name} has a val AUPRC", where=where)
    return Side(name, tuple(found))


def chosen_apart(before: Side, after: Side, scores_of: ScoresOf) -> ChosenDifference:
    """The best of `after` minus the best of `before`, by val AUPRC.

    Raises:
        RecordError: they must not be set side by side, or scores are missing.
        DataError: the metric is undefined.
    """
    from kag.stats.selection import chosen_difference, mean_of

    runs = [run for side in (before, after) for one in side.best_first for run in one.runs]
    if reasons := not_comparable(runs):
        raise RecordError("; ".join(reasons))
    drawn = [drawn_of(most_promising(side.best_first), scores_of) for side in (before, after)]
    for one in drawn:
        if isinstance(one, str):
            raise RecordError(one, remedy="kag eval RUN --store keeps scores of a run that has none")
    return chosen_difference(*([mean_of(group) for group in one] for one in drawn if not isinstance(one, str)))
