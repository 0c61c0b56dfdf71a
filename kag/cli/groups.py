"""`kag runs list --group`: a row for the runs that differ in the seed alone."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.markup import escape
from rich.table import Table

from kag.cli.fitted import fitted, plain_table, print_whole, terminal
from kag.cli.tables import Values, status
from kag.compare.replicates import Replicates, Spread, replicates
from kag.compare.wording import n_text, seeds_listed
from kag.errors import UserError
from kag.text import MISSING
from kag.track.record import RunRecord
from kag.view.alike import seed_of
from kag.view.metrics import Metric
from kag.view.metrics import chosen as metrics_of
from kag.view.results import headline
from kag.view.terminal import answer

_COLUMNS = ("run", "seeds", "status", "n", "metric", "mean", "sd", "min", "max")
_NUMBERS = _COLUMNS[5:]
_SPARED = ("status", "seeds", "metric", "max", "min")


@dataclass(frozen=True)
class Groups:
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

    def show(self, *, unfold: bool, as_json: bool) -> None:
        """Print them."""
        if as_json:
            answer([self._page(group) for group in self.found])
            return
        console = terminal()
        print_whole(console, fitted(self._table(unfold=unfold), console.width, _SPARED).group(console.width))

    def said(self) -> Iterator[str]:
        """What is to be said beside the groups."""
        several = [group for group in self.found if len(group.runs) > 1]
        untold = sorted({fact for group in several for fact in group.untold})
        if untold:
            yield f"no run of another program here tells its {' and '.join(untold)}: taken to be the same in a group"

    def judged_by(self, group: Replicates) -> Metric | None:
        """The first metric of which any of its runs has a value."""
        told = (one for one in self.metrics if any(self._value(one, record) is not None for record in group.runs))
        return next(told, None)

    def spread(self, group: Replicates) -> Spread:
        """Of the values by which its runs are judged."""
        metric = self.judged_by(group)
        return group.spread(partial(self._value, metric) if metric else lambda _: None)

    def _value(self, metric: Metric, record: RunRecord) -> float | None:
        if record.is_foreign:
            return self.values.get(record.id, {}).get(metric)
        split, _, name = metric.name.partition("/")
        found = headline(record, split, name) if metric.value == "delivered" else None
        return found.value if found else None

    def _table(self, *, unfold: bool) -> Table:
        table = plain_table(*_COLUMNS, right=("n", *_NUMBERS))
        for group in self.found:
            metric, found, first = self.judged_by(group), self.spread(group), group.runs[-1]
            text = metric.text if metric else lambda _: MISSING
            alike = f" and {len(group.runs) - 1} like it" if len(group.runs) > 1 else ""
            own = status(first.status) if len({one.status for one in group.runs}) == 1 else "various"
            numbers = map(text, found[2:])
            words = (f"{first.id}{alike}", seeds_listed(group), "", n_text(found), _called(metric), *numbers)
            table.add_row(*(own if place == 2 else escape(word) for place, word in enumerate(words)))
            for record in group.runs if unfold and alike else ():
                value = self._value(metric, record) if metric else None
                seed = seed_of(record, group.seed_keys) or MISSING
                table.add_row(f"  {escape(record.id)}", escape(seed), status(record.status), "", "", text(value))
        return table

    def _page(self, group: Replicates) -> dict[str, Any]:
        metric, found = self.judged_by(group), self.spread(group)
        return {
            "runs": [record.id for record in group.runs],
            "seeds": [{"seed": seed, "runs": [one.id for one in runs]} for seed, runs in group.by_seed.items()],
            "metric": metric.name if metric else None,
            "goal": metric.goal if metric else None,
            **found.as_json(),
            "untold": list(group.untold),
        }


def grouped(
    records: Sequence[RunRecord],
    shown: Sequence[RunRecord],
    values: Values,
    *,
    seed_keys: Sequence[str] = (),
    count: int = 0,
    newest: bool = True,
) -> Groups:
    """The groups of the runs that are shown, in their order.

    Args:
        records: every run of the source: what one tells of itself decides what another leaves open.
        shown: some of them, in the order of a list.
        values: what stands for runs of other programs, of those that are shown.
        seed_keys: settings that are seeds of other programs; empty finds them by their names.
        count: at most so many groups; 0 for all.
        newest: the runs stand oldest first and the last groups are kept; else the first ones.

    Raises:
        UserError: no run has such a setting.
    """
    _require_known(seed_keys, records)
    place = {record.id: number for number, record in enumerate(shown)}
    found = (
        replace(one, runs=tuple(run for run in one.runs if run.id in place)) for one in replicates(records, seed_keys)
    )
    pick = max if newest else min
    ordered = sorted((one for one in found if one.runs), key=lambda one: pick(place[run.id] for run in one.runs))
    kept = (ordered[-count:] if newest else ordered[:count]) if count else ordered
    return Groups(tuple(kept), tuple(sorted(metrics_of(records), key=lambda one: one.goal is None)), values)


def _require_known(seed_keys: Sequence[str], records: Sequence[RunRecord]) -> None:
    known = list(dict.fromkeys(key for record in records for key in record.config))
    for key in seed_keys:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
            raise UserError(f"no run has a setting {key!r}", nearest=", ".join(near) or None)


def _called(metric: Metric | None) -> str:
    if metric is None:
        return MISSING
    return metric.title if metric.value == "delivered" else metric.label
