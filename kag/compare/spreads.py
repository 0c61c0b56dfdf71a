"""Groups of replicates with the numbers that they are judged by: what a row for several runs says. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from kag.compare.judge import value_of_run
from kag.compare.replicates import Replicates, Spread, replicates
from kag.compare.verdict import Values
from kag.compare.wording import n_text, seeds_listed, without_text
from kag.text import MISSING
from kag.track.record import RunRecord
from kag.view.metrics import Metric
from kag.view.metrics import chosen as metrics_of
from kag.view.tables import Cell, Table

COLUMNS = ("run", "seeds", "n", "metric", "mean", "sd", "min", "max")


class SpreadText(NamedTuple):
    """A row, in the order of `COLUMNS`."""

    run: str
    """The newest run, and how many are like it."""
    seeds: str
    n: str
    """`3`, or `2 of 3` where seeds have no number."""
    metric: str
    mean: str
    sd: str
    low: str
    high: str


@dataclass(frozen=True)
class Spreads:
    """Groups of replicates, in the order of their rows."""

    found: tuple[Replicates, ...]
    metrics: tuple[Metric, ...]
    """Those that count in the source, those with a goal first."""
    values: Values
    """What stands for runs of other programs."""

    @property
    def runs(self) -> list[RunRecord]:
        """All runs of the groups."""
        return [record for group in self.found for record in group.runs]

    @property
    def several(self) -> list[Replicates]:
        """Those of more than one run."""
        return [group for group in self.found if len(group.runs) > 1]

    def said(self) -> Iterator[str]:
        """What is to be said beside the groups."""
        untold = sorted({fact for group in self.several for fact in group.untold})
        if untold:
            yield f"no run of another program here tells its {' and '.join(untold)}: taken to be the same in a group"

    def judged_by(self, group: Replicates) -> Metric | None:
        """The first metric of which any of its runs has a value."""
        told = (one for one in self.metrics if any(self.value(one, record) is not None for record in group.runs))
        return next(told, None)

    def spread(self, group: Replicates) -> Spread:
        """Of the values by which its runs are judged."""
        metric = self.judged_by(group)
        return group.spread(partial(self.value, metric) if metric else lambda _: None)

    def value(self, metric: Metric, record: RunRecord) -> float | None:
        """What stands for a run."""
        return value_of_run(metric, self.values, record)

    def lacking(self, group: Replicates) -> tuple[str, ...]:
        """Seeds without a value: no run of them ended well, or none has it."""
        metric = self.judged_by(group)
        return lacking(group, partial(self.value, metric) if metric else lambda _: None)

    def text(self, group: Replicates) -> SpreadText:
        """The row of a group."""
        metric, found = self.judged_by(group), self.spread(group)
        text = metric.text if metric else lambda _: MISSING
        title = MISSING if metric is None else metric.title if metric.value == "delivered" else metric.label
        return SpreadText(called(group), seeds_listed(group.by_seed), n_text(found), title, *map(text, found[2:]))


def grouped_among(
    records: Iterable[RunRecord],
    shown: Sequence[RunRecord],
    values: Values,
    seed_keys: Sequence[str] = (),
    *,
    newest: bool = True,
) -> Spreads:
    """The groups of some runs, each in the place of its newest run, or of its first.

    Args:
        records: every run of the source: what one tells of itself decides what another leaves open.
        shown: some of them, in the order of a list.
        values: what stands for runs of other programs, of those that are shown.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
        newest: the last place counts.
    """
    every = list(records)
    found = chosen_of(replicates(every, seed_keys), shown, newest=newest)
    return Spreads(found, tuple(sorted(metrics_of(every), key=lambda one: one.goal is None)), values)


def chosen_of(groups: Iterable[Replicates], shown: Sequence[RunRecord], *, newest: bool) -> tuple[Replicates, ...]:
    """What groups have of some runs, each in the place of its newest one, or of its first; see `grouped_among`."""
    place = {record.id: number for number, record in enumerate(shown)}
    found = (replace(one, runs=tuple(run for run in one.runs if run.id in place)) for one in groups)
    pick = max if newest else min
    ordered = sorted((one for one in found if one.runs), key=lambda one: pick(place[run.id] for run in one.runs))
    return tuple(ordered)


def spreads_table(spreads: Spreads) -> Table:
    """A row a group: mean, standard deviation, range and number of seeds, and which of them have no number."""
    rows = []
    for group in spreads.found:
        run, seeds, n, *rest = spreads.text(group)
        without = spreads.lacking(group) if spreads.judged_by(group) else ()
        rows.append((Cell(run), Cell(seeds), Cell(n, under=without_text(without)), *map(Cell, rest)))
    return Table(COLUMNS, tuple(rows), words=4)


def called(group: Replicates) -> str:
    """`ID and 2 like it`: a group by its newest run."""
    return f"{group.runs[-1].id}{f' and {len(group.runs) - 1} like it' if len(group.runs) > 1 else ''}"


def lacking(group: Replicates, value: Callable[[RunRecord], float | None]) -> tuple[str, ...]:
    """Seeds of a group without a number."""
    known = {record.id for record, _ in group.counted(value)}
    return tuple(
        seed for seed, runs in group.by_seed.items() if seed is not None and not any(run.id in known for run in runs)
    )
