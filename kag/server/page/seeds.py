"""Rows of the table of runs for those that differ in the seed alone: the mean of each column, and who is in it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kag.compare.replicates import Replicates, Spread, replicates
from kag.compare.spreads import lacking
from kag.compare.wording import n_text, seeds_listed, without_text
from kag.number import number
from kag.server.page.columns import Column, Form, cell, text_of
from kag.server.page.held import Held
from kag.server.page.records import Ledger
from kag.text import MISSING, duration
from kag.track.record import RunRecord
from kag.view.alike import Likeness, likeness
from kag.view.changes import is_seed
from kag.view.colour import colour_of
from kag.view.results import measured

VARIOUS = "various"
"""Where the runs of a group have different words."""


@dataclass
class KeptSeeds:
    """What each run has in common with its replicates, and the rows of these: once for every version of a run."""

    held: dict[int, tuple[int, RunRecord, Likeness | None]] = field(default_factory=dict)
    """Row of the table of runs -> number of its last change, its record, what was worked out."""
    rows: dict[Hashable, dict[str, Any]] = field(default_factory=dict)
    """Rows of the table by what they were made of, as it was last shown."""

    def replicates(self, ledger: Ledger) -> tuple[Replicates, ...]:
        """The runs of a project, those together that differ in the seed alone."""
        held, fresh = self.held, {}

        def likeness_of(record: RunRecord, seed_keys: Sequence[str]) -> Likeness | None:
            run = ledger.runs[record.id]
            changed, known, found = held.get(run.number, (None, None, None))
            # The lineage of a record can change without a change of its run.
            if changed != run.changed or (known is not record and known != record):
                found = likeness(record, seed_keys)
            fresh[run.number] = (run.changed, record, found)
            return found

        found = replicates(ledger.records.values(), likeness_of=likeness_of)
        self.held = fresh  # whole, since others read it at the same time
        return found

    def folded(
        self,
        groups: Sequence[Replicates],
        runs: Mapping[str, Held],
        columns: Sequence[Column],
        forms: Sequence[Form],
    ) -> list[dict[str, Any]]:
        """A row for each group of several runs.

        Args:
            groups: all of them.
            runs: run id -> run.
            columns: those of the table.
            forms: of each.
        """
        looks, held = (tuple(columns), tuple(forms)), self.rows
        found: dict[Hashable, dict[str, Any]] = {}
        for group in groups:
            if len(group.runs) > 1:
                own = [runs[record.id] for record in group.runs]
                key = (looks, tuple((run.number, run.changed, run.state) for run in own))
                found[key] = held.get(key) or _row(group, runs, columns, forms)
        self.rows = found
        return list(found.values())


def _row(
    group: Replicates, runs: Mapping[str, Held], columns: Sequence[Column], forms: Sequence[Form]
) -> dict[str, Any]:
    own = [runs[record.id] for record in group.runs]
    judged = next((one for one in map(partial(number_in, runs), columns) if group.counted(one)), None)
    found = group.spread(judged) if judged else None
    return {
        "runs": [run.name for run in reversed(own)],
        "name": own[-1].short,
        "count": f"{n_text(found) if found else len(group.by_seed)} seeds",
        "without": without_text(lacking(group, judged)) if judged else "",
        **common_row(own, colour_of(group.runs[0].id)),
        "cells": [_cell(group, runs, *one) for one in zip(columns, forms, strict=True)],
    }


def common_row(own: Sequence[Held], colour: int) -> dict[str, Any]:
    """What a row says of several runs beside the chosen columns.

    Args:
        own: the runs, oldest first.
        colour: the place of that of its curve.
    """
    seconds = sum(run.seconds for run in own)
    return {
        "state": _common([run.state for run in own]),
        "started": int(own[-1].row["created_at"]),
        "seconds": round(seconds),
        "took": duration(seconds),
        "user": _common([run.row["user"] for run in own]),
        "colour": colour,
    }


def number_in(runs: Mapping[str, Held], column: Column) -> Callable[[RunRecord], float | None]:
    """The number of a run in a column of results; None for settings."""
    if column.kind == "config":
        return lambda record: None
    return lambda record: number(cell(runs[record.id], column))


def _cell(group: Replicates, runs: Mapping[str, Held], column: Column, form: Form) -> dict[str, Any]:
    """What a column says of a group: text, what it is sorted by, and what is said of it that is pointed at."""
    value = number_in(runs, column)
    found = group.spread(value)
    if found.mean is None and column.kind == "config" and is_seed(column.key):
        return {"text": seeds_listed(group.by_seed), "value": None, "title": ""}
    own = [runs[record.id] for record in group.runs]
    return cell_of(own, column, form, found, "seeds", without_text(lacking(group, value)))


def cell_of(
    own: Sequence[Held], column: Column, form: Form, found: Spread, what: str, without: str = ""
) -> dict[str, Any]:
    """The cell of some runs: mean and standard deviation of results, of settings what they have in common.

    Args:
        own: the runs.
        column: which.
        form: of the column.
        found: what the runs give of a result; of nothing else.
        what: they are: `seeds`, `runs`.
        without: what is said of those that have no number.
    """
    if found.mean is None:
        values = [cell(run, column) for run in own]
        common = _common([text_of(column, value, form) for value in values])
        return {"text": common, "value": values[0] if len(set(values)) == 1 else None, "title": ""}
    mean, sd, low, high = (measured(column.key, one) for one in found[2:])
    spread = "" if found.sd is None else f" ± {sd}"
    told = f"mean of {n_text(found)} {what}, {low} to {high}" + (f", {without}" if without else "")
    return {"text": f"{mean}{spread}", "value": found.mean, "title": told}


def _common(words: Sequence[str | None]) -> str:
    first = words[0] or MISSING
    return first if len(set(words)) == 1 else VARIOUS
