"""Records to rows: which runs, in what order, with what to say about each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from kag.changelog.diagnose import diagnose
from kag.changelog.entry import Entry, Siblings
from kag.compare.comparison import data_of, data_text
from kag.finding import Finding
from kag.track.record import Change, Status
from kag.view.changes import settings_apart


@dataclass(frozen=True)
class Choice:
    """Which runs the table shows; what is said about them does not depend on it."""

    since: date | None = None
    until: date | None = None
    """Last day that counts."""
    tags: tuple[str, ...] = ()
    """A run needs all of them."""
    sweep: str | None = None

    def takes(self, entry: Entry) -> bool:
        """Whether a run is shown."""
        record = entry.record
        day = record.start.date()
        return (
            (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and set(self.tags) <= set(record.tags)
            and (self.sweep is None or record.sweep == self.sweep)
        )


@dataclass(frozen=True)
class Row:
    """One row of the table: a run, or a sweep by its best trial."""

    entry: Entry
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    """Against the parent; empty too where there is none."""
    new_best: bool = False
    """Whether no earlier run on the same data reached its val AUPRC."""
    trials: tuple[Entry, ...] = ()
    """The other trials of the sweep, best first."""
    searched: Mapping[str, str] = field(default_factory=dict)
    """Of a sweep: run id -> what the trial has set otherwise than the others."""
    data: str = ""
    """Of a sweep on several data: those of these trials."""

    def says(self, code: str) -> bool:
        """Whether a rule fired."""
        return any(finding.code == code for finding in self.findings)


def table(siblings: Siblings, choice: Choice | None = None) -> list[Row]:
    """Rows in the order of start time. A sweep is one row for all trials on the same data, at its first one's place."""
    shown = [entry for entry in siblings.entries if choice is None or choice.takes(entry)]
    best = {group[0].id: group for group in map(_best_first, _groups(shown))}
    rows = [_row(entry, siblings, tuple(best[entry.id][1:])) for entry in _in_order(best.values())]
    sweeps = Counter(row.entry.record.sweep for row in rows)
    return [replace(row, data=data_text(row.entry.record)) if _is_split(row, sweeps) else row for row in rows]


def planned(siblings: Siblings) -> list[Entry]:
    """Runs that have not begun."""
    return [entry for entry in siblings.entries if entry.record.status is Status.PLANNED]


def _row(entry: Entry, siblings: Siblings, trials: tuple[Entry, ...]) -> Row:
    compared = siblings.against_parent(entry)
    before, value = siblings.best_before(entry), entry.value("val")
    highest = before.value("val") if before else None
    return Row(
        entry=entry,
        findings=tuple(diagnose(entry, siblings)),
        changes=compared.settings if compared else (),
        new_best=value is not None and (highest is None or value > highest),
        trials=trials,
        searched=settings_apart([one.record for one in (entry, *trials)]) if trials else {},
    )


def _is_split(row: Row, sweeps: Mapping[str | None, int]) -> bool:
    """Whether the sweep has rows of other data."""
    return row.entry.record.sweep is not None and sweeps[row.entry.record.sweep] > 1


def _groups(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Trials of a sweep together, as far as they are on the same data; every other run by itself."""
    groups: dict[tuple[str, str, str | None], list[Entry]] = {}
    for entry in entries:
        sweep = entry.record.sweep
        key = ("sweep", sweep, data_of(entry.record)) if sweep else ("run", entry.id, None)
        groups.setdefault(key, []).append(entry)
    return list(groups.values())


def _best_first(group: list[Entry]) -> list[Entry]:
    """Highest val AUPRC first; trials without one last, in their order.

    Trials that deliver the same epoch, as in a sweep over averaging, come in the order of their averages.
    """
    return sorted(group, key=_rank, reverse=True)


def _rank(entry: Entry) -> tuple[float, float]:
    delivered, average = entry.auprc("val"), entry.average
    return delivered.value if delivered else -math.inf, average.value if average else -math.inf


def _in_order(groups: Iterable[Sequence[Entry]]) -> list[Entry]:
    """The first of each group, by the start of the group's first run."""
    starts = [(min((entry.record.start, entry.id) for entry in group), group[0]) for group in groups]
    return [entry for _, entry in sorted(starts, key=lambda pair: pair[0])]
