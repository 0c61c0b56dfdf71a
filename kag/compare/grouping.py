"""Runs that have one value of a setting, as groups of a project. Pure functions over records."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kag.compare.replicates import Spread, spread
from kag.track.record import RunRecord, Scalar


@dataclass(frozen=True)
class Group:
    """Runs that have one value of a setting; each counts by itself, whatever else differs."""

    value: Scalar
    """None for those that do not have the setting."""
    runs: tuple[RunRecord, ...]
    """In the order in which they were given."""

    @property
    def counted(self) -> tuple[RunRecord, ...]:
        """Those that ended well: their numbers count."""
        return tuple(record for record in self.runs if record.status.done)

    @property
    def standing(self) -> tuple[RunRecord, ...]:
        """Those whose curves stand for the group: the ones that count, all where none does."""
        return self.counted or self.runs

    def spread(self, value: Callable[[RunRecord], float | None]) -> Spread:
        """The number over its runs; one that did not end well, or has no finite number, is left out."""
        found = (value(record) for record in self.counted)
        return spread([one for one in found if one is not None and math.isfinite(one)], len(self.runs))


def grouped_by(records: Iterable[RunRecord], setting: Callable[[RunRecord], Scalar]) -> tuple[Group, ...]:
    """All runs, those together that have one value of a setting; in the order of the first of each.

    Numbers that are equal are one value (1 and 1.0), true and 1 are not.
    """
    found: dict[tuple[bool, Scalar], list[RunRecord]] = {}
    for record in records:
        value = setting(record)
        found.setdefault((isinstance(value, bool), value), []).append(record)
    return tuple(Group(value, tuple(runs)) for (_, value), runs in found.items())
