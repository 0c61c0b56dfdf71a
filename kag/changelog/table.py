"""Records to rows: which runs, in what order, with what to say about each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kag.changelog.diagnose import diagnose
from kag.changelog.entry import Entry
from kag.changelog.siblings import Siblings
from kag.compare.comparison import data_text
from kag.compare.replicates import means_over_seeds
from kag.finding import Finding
from kag.track.record import Change, Status
from kag.track.result import Selection
from kag.view.alike import data_of
from kag.view.changes import but_seeds, settings_apart
from kag.view.choice import Choice
from kag.view.metrics import OWN, VAL, Metric


@dataclass(frozen=True)
class Row:
    """One row of the table: a run, or a sweep by its best trial."""

    entry: Entry
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    """Against the parent; empty too where there is none."""
    metrics: Sequence[Metric] = OWN
    """Those that count: a column each."""
    judged: Metric | None = VAL
    """The one by which runs of its kind stand above or below one another."""
    highest_so_far: bool = False
    """Whether no earlier run on the same data reached its value of that metric, by the goal; nothing is tested. A seed
    alone counts as none.
    """
    best_to_date: bool = False
    """Whether a test tells that value apart from the highest before, or it is the first of its data."""
    against: str = ""
    """What the changes are against, where that is not the parent that the run names."""
    since: str | None = None
    """Commit of the run that it is compared with."""
    told_files: str = ""
    """What a document says of the files that were touched since, which counts where git cannot say."""
    selection: Selection | None = None
    """What the best of what it was chosen from is worth: of a sweep's trials, of blends, of windows."""
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
    """Rows in the order of start time. A sweep is one row for all trials on the same data, at its first one's place.

    Args:
        siblings: every run of the source.
        choice: which of them; without one all, archived ones too.
    """
    shown = [entry for entry in siblings.entries if choice is None or choice.takes(entry.record)]
    ordered = (_best_first(group, siblings) for group in _groups(shown))
    best = {group[0].id: group for group in ordered}
    rows = [_row(entry, siblings, tuple(best[entry.id][1:])) for entry in _in_order(best.values())]
    sweeps = Counter(row.entry.record.sweep for row in rows)
    return [replace(row, data=data_text(row.entry.record)) if _is_split(row, sweeps) else row for row in rows]


def planned(siblings: Siblings) -> list[Entry]:
    """Runs that have not begun."""
    known = (entry for entry in siblings.entries if entry.record.status is Status.PLANNED)
    return [entry for entry in known if not entry.record.archived]


def _row(entry: Entry, siblings: Siblings, trials: tuple[Entry, ...]) -> Row:
    compared = siblings.against_parent(entry)
    return Row(
        entry=entry,
        findings=tuple(diagnose(entry, siblings)),
        changes=but_seeds(compared.settings) if compared else (),
        metrics=siblings.metrics,
        judged=siblings.judged_by(entry),
        highest_so_far=siblings.highest_so_far(entry),
        best_to_date=siblings.best_to_date(entry),
        against=siblings.against(entry),
        since=compared.before.git.commit if compared and compared.before.git else None,
        told_files=siblings.told_files.get(entry.id, ""),
        selection=_selection(entry, trials, siblings),
        trials=trials,
        searched=settings_apart([one.record for one in (entry, *trials)]) if trials else {},
    )


def _selection(entry: Entry, trials: tuple[Entry, ...], siblings: Siblings) -> Selection | None:
    if not trials or entry.record.is_foreign:
        return entry.record.found.selection if entry.record.found else None
    return siblings.selected([one.record for one in (entry, *trials)])


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


def _best_first(group: list[Entry], siblings: Siblings) -> list[Entry]:
    """Best value of the metric by which they are judged first; trials without one last, in their order. Of a sweep over
    seeds the settings with the best mean come first.

    Trials that deliver the same epoch, as in a sweep over averaging, come in the order of their averages.
    """

    heights = {entry.id: siblings.height(entry) for entry in group}
    means = means_over_seeds([entry.record for entry in group], lambda record: heights[record.id])

    def rank(entry: Entry) -> tuple[float, float, float]:
        height, average = heights[entry.id], entry.average
        own = -math.inf if height is None else height
        return means.get(entry.id, own), own, average.value if average else -math.inf

    return sorted(group, key=rank, reverse=True)


def _in_order(groups: Iterable[Sequence[Entry]]) -> list[Entry]:
    """The first of each group, by the start of the group's first run."""
    starts = [(min((entry.record.start, entry.id) for entry in group), group[0]) for group in groups]
    return [entry for _, entry in sorted(starts, key=lambda pair: pair[0])]
