"""Which numbers and settings stand side by side: all results and what is set differently, or what a reader has chosen.

A choice is words of an address, as columns of the table are: `summary:val/auprc,config:optimizer.lr`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kag.compare.comparison import not_comparable
from kag.server.page.columns import Column, cell, column_of
from kag.server.page.compare_rows import Number, Row, number_row
from kag.server.page.held import Held
from kag.text import MISSING, column
from kag.track.record import RunRecord
from kag.view.metric_names import by_name
from kag.view.results import measured

MOST = 200
"""Rows that are shown at once."""


class Compared(NamedTuple):
    """What stands side by side."""

    results: Sequence[Row]
    settings: Mapping[str, Sequence[str]]
    """Key -> a text for each run."""

    @property
    def words(self) -> list[str]:
        """Each row as it stands in an address."""
        results = [Column("summary", row.key) for row in self.results]
        return [one.word for one in (*results, *(Column("config", key) for key in self.settings))]


def chosen_rows(words: str, standard: Compared, runs: Sequence[Held], records: Sequence[RunRecord]) -> Compared:
    """The rows that an address asks for, results before settings; the standard ones where it asks for none.

    Args:
        words: of the address.
        standard: the rows that are shown unasked; they are taken before a last value or a setting of the same name.
        runs: those that are compared; the first is the base.
        records: theirs.
    """
    columns = list(dict.fromkeys(found for word in words.split(",") if (found := column_of(word)) is not None))[:MOST]
    if not columns:
        return standard
    rows = {row.key: row for row in standard.results}
    comparable = not not_comparable(records)
    return Compared(
        [
            rows[one.key] if one.key in rows else _last_values(one, runs, records, comparable=comparable)
            for one in columns
            if one.kind == "summary"
        ],
        {
            one.key: standard.settings.get(one.key) or column([run.config.get(one.key, MISSING) for run in runs])
            for one in columns
            if one.kind == "config"
        },
    )


def _last_values(key: Column, runs: Sequence[Held], records: Sequence[RunRecord], *, comparable: bool) -> Row:
    """What each run logged last under a key; words, among them what is no finite number, are compared with nothing."""
    values = [cell(run, key) for run in runs]
    numbers = [float(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else None for one in values]
    if any(one is None and value is not None for one, value in zip(numbers, values, strict=True)):
        return Row(key.key, tuple(Number(measured(key.key, value)) for value in values))
    finite = [one if one is not None and math.isfinite(one) else None for one in numbers]
    return number_row(records, key.key, key.key, finite, by_name(key.key), comparable=comparable)
