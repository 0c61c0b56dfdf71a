"""Runs that are one result: they differ in the seed alone. Pure functions over records.

What a record does not tell makes no replicates, with one exception: where no run of another program tells its data, or
its code, two of them are taken to have the same, and `Replicates.untold` says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from kag.track.record import RunRecord
from kag.view.alike import CODE, DATA, PATCH, Likeness, likeness, named_for, seed_of
from kag.view.words import begun

MAY_BE_UNTOLD = (DATA, CODE, PATCH)


class Spread(NamedTuple):
    """What replicates give of one number."""

    n: int
    """Seeds with a number."""
    of: int
    """All seeds."""
    mean: float | None
    sd: float | None
    """Standard deviation of the population that they are a sample of (n - 1); None below two."""
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, float | None]:
        """The same for programs."""
        words = {"low": "min", "high": "max"}
        return {words.get(name, name): value for name, value in self._asdict().items()}


@dataclass(frozen=True)
class Replicates:
    """All runs that differ in nothing but the seed, or one run that has no like."""

    runs: tuple[RunRecord, ...]
    """In the order of start; a seed may have several."""
    untold: tuple[str, ...] = ()
    """Facts of which no run of the program tells whether they are the same."""
    seed_keys: tuple[str, ...] = ()
    """Settings of another program that a person has named as its seeds."""

    @cached_property
    def by_seed(self) -> Mapping[str | None, tuple[RunRecord, ...]]:
        """The runs of each seed."""
        found: dict[str | None, tuple[RunRecord, ...]] = {}
        for record in self.runs:
            seed = seed_of(record, self.seed_keys)
            found[seed] = (*found.get(seed, ()), record)
        return found

    def counted(self, value: Callable[[RunRecord], float | None]) -> tuple[tuple[RunRecord, float], ...]:
        """Of each seed the newest run that ended well and has the number, with it; a seed without one is left out."""
        told = (_newest(runs, value) for runs in self.by_seed.values())
        return tuple(one for one in told if one is not None)

    def spread(self, value: Callable[[RunRecord], float | None]) -> Spread:
        """The number over the seeds; see `counted`."""
        return spread([number for _, number in self.counted(value)], len(self.by_seed))


def replicates(
    records: Iterable[RunRecord],
    seed_keys: Sequence[str] = (),
    likeness_of: Callable[[RunRecord, Sequence[str]], Likeness | None] = likeness,
) -> tuple[Replicates, ...]:
    """All runs of a source, those together that are replicates of one another; in the order of the newest of each.

    Args:
        records: every run of the source, in any order.
        seed_keys: settings of another program that are its seeds; without them those are that are called so.
        likeness_of: asked of each run, for whoever has asked before.
    """
    ordered = sorted(records, key=begun)
    like = {record.id: likeness_of(record, seed_keys) for record in ordered}
    untold = _untold(one for one in like.values() if one is not None)
    found: dict[Likeness | str, list[RunRecord]] = {}
    for record in ordered:
        own = like[record.id]
        known = own is not None and own.untold <= (frozenset() if own.by_kag else untold)
        group = own if own is not None and known else record.id
        # The newest run decides where a group stands.
        found[group] = [*found.pop(group, []), record]
    return tuple(
        Replicates(tuple(runs), tuple(sorted(group.untold)) if isinstance(group, Likeness) else (), named)
        for group, runs in found.items()
        for named in [named_for(runs[0], seed_keys)]
    )


def over_seeds(records: Sequence[RunRecord]) -> tuple[Replicates, ...]:
    """The replicates of these runs, where any of them differ in the seed alone; else none."""
    if len({seed_of(record) for record in records}) < 2:
        return ()
    groups = replicates(records)
    return groups if any(len(one.by_seed) > 1 for one in groups) else ()


def means_over_seeds(records: Sequence[RunRecord], value: Callable[[RunRecord], float | None]) -> Mapping[str, float]:
    """Run id -> mean of the number over the seeds of its replicates, where any of these runs differ in the seed alone.

    Empty where none do: then each run stands for itself.
    """
    groups = over_seeds(records)
    means = ((one, one.spread(value).mean) for one in groups)
    return {run.id: mean for one, mean in means if mean is not None for run in one.runs}


def spread(values: Sequence[float], of: int) -> Spread:
    """Mean, standard deviation and range of the numbers of so many seeds."""
    if not values:
        return Spread(0, of, None, None, None, None)
    sd = statistics.stdev(values) if len(values) > 1 else None
    return Spread(len(values), of, statistics.fmean(values), sd, min(values), max(values))


def _untold(likes: Iterable[Likeness]) -> frozenset[str]:
    """Facts that no run of another program tells, of those that many programs never tell."""
    found = frozenset(MAY_BE_UNTOLD)
    for one in likes:
        found = found if one.by_kag else found & one.untold
    return found


def _newest(runs: Sequence[RunRecord], value: Callable[[RunRecord], float | None]) -> tuple[RunRecord, float] | None:
    found = ((record, value(record)) for record in reversed(runs) if record.status.done)
    return next(((record, one) for record, one in found if one is not None and math.isfinite(one)), None)
