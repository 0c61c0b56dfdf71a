"""What a reader has narrowed a project down to: the runs that the filter leaves, and the groups that they make.

The table and the curves ask with the same words of their address, so both show the same runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from kag.compare.grouping import Group, grouped_by
from kag.compare.replicates import Replicates
from kag.report.differences import standing
from kag.server.page.columns import Column, Form, cell, column_of
from kag.server.page.filter import fitting
from kag.server.page.held import Held
from kag.server.page.records import Ledger
from kag.server.page.seeds import cell_of, common_row, number_in
from kag.server.page.site import Shelf
from kag.server.page.values import Read, Values
from kag.text import setting
from kag.track.record import ARCHIVED, RunRecord
from kag.view.colour import COLOURS, colour_of

SEEDS, APART = "", "none"
"""Words of a grouping: runs that differ in the seed alone together, which is the default, or each run by itself."""

UNSET = "not set"

WORDS = ("q", "state", "tag", "group")
"""Words of an address that narrow a project down."""


def asked(words: Mapping[str, str]) -> str:
    """The same as one word: an answer that belongs to others comes too late."""
    return "\n".join(words.get(word, "") for word in WORDS)


@dataclass(frozen=True)
class Drawn:
    """Runs that are one curve."""

    key: str
    """Of its row in the table."""
    name: str
    runs: tuple[Held, ...]
    """Those whose curves stand for it."""
    colour: int


@dataclass(frozen=True)
class Narrowed:
    """Some runs of a project.

    Args:
        shelf: the project.
        columns: of the table.
        words: of the address.
        values: of its runs; those that the runs themselves give if nothing is said.
    """

    shelf: Shelf
    columns: Sequence[Column]
    words: Mapping[str, str]
    values: Values | None = None

    @property
    def by(self) -> Column | None:
        """The setting that the runs are grouped by, if any."""
        return column_of(self.words.get("group", ""))

    @cached_property
    def filtered(self) -> bool:
        """Whether there is a filter, or an archived run to be left out."""
        return any(self.words.get(word) for word in ("q", "state", "tag")) or any(map(self._left_out, self.shelf.runs))

    def _left_out(self, run: Held) -> bool:
        """An archived run is shown to whoever asks for its tag."""
        return ARCHIVED in run.tags and self.words.get("tag") != ARCHIVED

    @cached_property
    def runs(self) -> Sequence[Held]:
        """Those that fit, oldest first."""
        if not self.filtered:
            return self.shelf.runs
        text, state, tag = (self.words.get(word, "") for word in ("q", "state", "tag"))
        shown = [run for run in self.shelf.runs if not self._left_out(run)]
        known = self.values or Read(self.shelf.runs)
        return fitting(shown, text, known, state=state, tag=tag, shown=self.columns)

    @cached_property
    def ledger(self) -> Ledger:
        """Every run of the project."""
        return self.shelf.ledger()

    @cached_property
    def replicates(self) -> tuple[Replicates, ...]:
        """Groups of several seeds, whose runs all fit: of some of them a mean would be of a chance."""
        fits = {run.name for run in self.runs}
        held = self.ledger.runs
        return tuple(
            one
            for one in self.shelf.replicates(self.ledger)
            if len(one.runs) > 1 and all(held[record.id].name in fits for record in one.runs)
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The runs that fit by the value of the setting, newest first."""
        by, held = self.by, self.ledger.runs
        if by is None:
            return ()
        records = [self.ledger.record(run) for run in self.runs]
        return grouped_by(records, lambda record: cell(held[record.id], by))

    def rows(self, forms: Sequence[Form]) -> list[dict[str, Any]]:
        """The rows of its groups; see `KeptSeeds.folded`."""
        if self.by is not None:
            return [self._row(group, place % COLOURS, forms) for place, group in enumerate(self.groups)]
        if self.words.get("group", SEEDS) == APART:
            return []
        return self.shelf.watched.seeds.folded(self.replicates, self.ledger.runs, self.columns, forms)

    def drawn(self) -> list[Drawn]:
        """What is a curve, the newest last: a group, or a run that is in none."""
        if self.by is not None:
            named = [self._curve(self._name(group.value), group.runs, group.standing) for group in self.groups]
            return [replace(one, colour=place % COLOURS) for place, one in enumerate(named)]
        seeds = () if self.words.get("group", SEEDS) == APART else self.replicates
        inside = {record.id for group in seeds for record in group.runs}
        records = (self.ledger.record(run) for run in self.runs)
        single = [self._curve("", (record,), (record,)) for record in records if record.id not in inside]
        return [*single, *(self._curve("", group.runs, standing(group)) for group in seeds)]

    def _curve(self, name: str, every: Sequence[RunRecord], shown: Sequence[RunRecord]) -> Drawn:
        """Of a group the oldest run says the colour: it stays when runs are added."""
        runs = tuple(self.ledger.runs[record.id] for record in shown)
        held = [self.ledger.runs[record.id] for record in every]
        grouped = bool(name) or len(every) > 1
        key = f"group:{held[0].name}" if grouped else held[0].name
        return Drawn(key, name or held[-1].short, runs, colour_of(every[0].id))

    def _name(self, value: object) -> str:
        by = self.by
        return f"{by.label if by else ''} {UNSET if value is None else setting(value)}"

    def _row(self, group: Group, colour: int, forms: Sequence[Form]) -> dict[str, Any]:
        held = self.ledger.runs
        own = [held[record.id] for record in group.runs]
        cells = (
            cell_of(own, column, form, group.spread(number_in(held, column)), "runs")
            for column, form in zip(self.columns, forms, strict=True)
        )
        return {
            "runs": [run.name for run in reversed(own)],
            "name": self._name(group.value),
            "count": f"{len(own)} run{'' if len(own) == 1 else 's'}",
            "without": "",
            **common_row(own, colour),
            "cells": list(cells),
        }
