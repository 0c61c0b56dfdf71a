"""`kag runs list --group`: a row for the runs that differ in the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from kag.cli.fitted import fitted, plain_table, print_whole, terminal
from kag.cli.tables import Values, status
from kag.compare.replicates import Replicates
from kag.compare.spreads import COLUMNS, Spreads, grouped_among
from kag.text import MISSING
from kag.track.record import RunRecord
from kag.view.alike import require_seeds, seed_of
from kag.view.terminal import answer

_COLUMNS = (*COLUMNS[:2], "status", *COLUMNS[2:])
_NUMBERS = _COLUMNS[5:]
_SPARED = ("status", "seeds", "metric", "max", "min")


@dataclass(frozen=True)
class Groups(Spreads):
    """Groups of replicates as a terminal shows them."""

    def show(self, *, unfold: bool, as_json: bool) -> None:
        """Print them."""
        if as_json:
            answer([self._page(group) for group in self.found])
            return
        console = terminal()
        print_whole(console, fitted(self._table(unfold=unfold), console.width, _SPARED).group(console.width))

    def _table(self, *, unfold: bool) -> Table:
        table = plain_table(*_COLUMNS, right=("n", *_NUMBERS))
        for group in self.found:
            run, seeds, *rest = map(escape, self.text(group))
            alike = len({one.status for one in group.runs}) == 1
            table.add_row(run, seeds, status(group.runs[-1].status) if alike else "various", *rest)
            metric = self.judged_by(group)
            for record in group.runs if unfold and len(group.runs) > 1 else ():
                value = metric.text(self.value(metric, record)) if metric else MISSING
                seed = seed_of(record, group.seed_keys) or MISSING
                table.add_row(f"  {escape(record.id)}", escape(seed), status(record.status), "", "", value)
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
    require_seeds(seed_keys, records)
    every = grouped_among(records, shown, values, seed_keys, newest=newest)
    kept = (every.found[-count:] if newest else every.found[:count]) if count else every.found
    return Groups(kept, every.metrics, values)
