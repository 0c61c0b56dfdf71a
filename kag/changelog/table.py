"""Records to rows: which runs, in what order, with what to say about each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kag.changelog.entry import Entry
from kag.changelog.groups import Group
from kag.changelog.shared import diagnose_group
from kag.changelog.siblings import Siblings
from kag.compare.comparison import data_text
from kag.finding import Finding
from kag.track.record import Change, RunRecord, Status
from kag.track.result import Selection
from kag.view.alike import data_of, seeds_of
from kag.view.changes import settings_apart
from kag.view.choice import Choice
from kag.view.metrics import OWN, VAL, Metric


@dataclass(frozen=True)
class Row:
    """One row of the table: a run, replicates by the first of them, or a sweep by its best trial."""

    entry: Entry
    group: Group | None = None
    """It and its replicates; None where it has none."""
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
    trials: tuple[Group, ...] = ()
    """The other trials of the sweep, best first, those that are replicates as one."""
    selection: Selection | None = None
    """What the best of what it was chosen from is worth: of a sweep's trials, of blends, of windows."""
    searched: Mapping[str, str] = field(default_factory=dict)
    """Of a sweep: id of the first run -> what the trial has set otherwise than the others."""
    data: str = ""
    """Of a sweep on several data: those of these trials."""

    @property
    def runs(self) -> tuple[Entry, ...]:
        """Every run that it shows."""
        own = self.group.entries if self.group else (self.entry,)
        return (*own, *(entry for trial in self.trials for entry in trial.entries))

    def value(self, metric: Metric) -> float | None:
        """What a metric came to; of replicates their mean."""
        return self.group.value(metric) if self.group else self.entry.measured(metric)

    def says(self, code: str) -> bool:
        """Whether a rule fired."""
        return any(finding.code == code for finding in self.findings)


def table(siblings: Siblings, choice: Choice | None = None) -> list[Row]:
    """Rows in the order of start time. Replicates are one row, all or none, at the place of the first. A sweep is one
    row for all trials on the same data, at its first one's place.

    Args:
        siblings: every run of the source.
        choice: which of them; without one all, archived ones too.
    """
    taken = (entry for entry in siblings.entries if choice is None or choice.takes(entry.record))
    shown = {group.id: group for group in map(siblings.group, taken)}
    ordered = (_best_first(trials, siblings) for trials in _by_sweep(shown.values()))
    best = {trials[0].id: trials for trials in ordered}
    rows = [_row(group, siblings, tuple(best[group.id][1:])) for group in _in_order(best.values())]
    sweeps = Counter(row.entry.record.sweep for row in rows)
    return [replace(row, data=data_text(row.entry.record)) if _is_split(row, sweeps) else row for row in rows]


def planned(siblings: Siblings) -> list[Entry]:
    """Runs that have not begun."""
    known = (entry for entry in siblings.entries if entry.record.status is Status.PLANNED)
    return [entry for entry in known if not entry.record.archived]


def _row(group: Group, siblings: Siblings, trials: tuple[Group, ...]) -> Row:
    entry, compared = group.first, siblings.against_parent(group.first)
    return Row(
        entry=entry,
        group=group if group.is_several else None,
        findings=tuple(diagnose_group(group, siblings)),
        changes=compared.but_seeds if compared else (),
        metrics=siblings.metrics,
        judged=siblings.judged_by(entry),
        highest_so_far=siblings.highest_so_far(entry),
        best_to_date=siblings.best_to_date(entry),
        against=siblings.against(entry),
        since=compared.before.git.commit if compared and compared.before.git else None,
        told_files=siblings.told_files.get(entry.id, ""),
        selection=_selection((group, *trials), siblings),
        trials=trials,
        searched=_searched((group, *trials), siblings.seed_keys) if trials else {},
    )


def _searched(trials: Sequence[Group], seed_keys: Sequence[str]) -> Mapping[str, str]:
    """What each trial has set otherwise than the others; a seed is no setting where some are replicates."""
    records = [trial.first.record for trial in trials]
    several = any(trial.is_several for trial in trials)
    return settings_apart([_but_seeds(one, seed_keys) for one in records] if several else records)


def _but_seeds(record: RunRecord, seed_keys: Sequence[str]) -> RunRecord:
    seeds = seeds_of(record, seed_keys)
    return record.model_copy(update={"config": {key: one for key, one in record.config.items() if key not in seeds}})


def _selection(trials: Sequence[Group], siblings: Siblings) -> Selection | None:
    best = trials[0].first.record
    if len(trials) == 1 or best.is_foreign:
        return best.found.selection if best.found else None
    return siblings.selected([entry.record for trial in trials for entry in trial.entries])


def _is_split(row: Row, sweeps: Mapping[str | None, int]) -> bool:
    """Whether the sweep has rows of other data."""
    return row.entry.record.sweep is not None and sweeps[row.entry.record.sweep] > 1


def _by_sweep(groups: Iterable[Group]) -> list[list[Group]]:
    """Trials of a sweep together, as far as they are on the same data; every other run by itself."""
    found: dict[tuple[str, str, str | None], list[Group]] = {}
    for group in groups:
        record = group.first.record
        key = ("sweep", record.sweep, data_of(record)) if record.sweep else ("run", record.id, None)
        found.setdefault(key, []).append(group)
    return list(found.values())


def _best_first(trials: list[Group], siblings: Siblings) -> list[Group]:
    """Best value of the metric by which they are judged first; trials without one last, in their order.

    Trials that deliver the same epoch, as in a sweep over averaging, come in the order of their averages.
    """

    def rank(trial: Group) -> tuple[float, float]:
        metric, average = siblings.judged_by(trial.first), trial.first.average
        value = trial.value(metric) if metric else None
        known = -math.inf if metric is None or value is None else -value if metric.goal == "min" else value
        return known, average.value if average else -math.inf

    return sorted(trials, key=rank, reverse=True)


def _in_order(sweeps: Iterable[Sequence[Group]]) -> list[Group]:
    """The first of each, by the start of the first run."""
    starts = [(min((trial.first.record.start, trial.id) for trial in trials), trials[0]) for trials in sweeps]
    return [trial for _, trial in sorted(starts, key=lambda pair: pair[0])]
