"""Columns of the table of runs: any setting and any last value, the ones that tell runs apart by default."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from kag import names
from kag.server.page.held import Held
from kag.server.page.templates import SHOWN_TEXT
from kag.spec.flat import DESCRIPTIVE
from kag.text import MISSING, decimals, digits_apart, setting
from kag.track.record import Scalar
from kag.view.changes import varied
from kag.view.results import measured

MOST = 24
"""Columns that are shown at once."""

RESULTS = 3
"""Last values that are shown by default where a run has none of those that matter."""

SETTINGS = 3
"""Settings that are shown by default."""

NEWEST = 200
"""Runs that the default columns are chosen by."""

MOST_DECIMALS = 6
"""Decimals of a column; where its numbers need more, each is written as short as it can be."""

WIDE = 40
"""A setting with more letters than this tells little at a glance."""

Kind = Literal["summary", "config"]


class Column(NamedTuple):
    """A value of every run."""

    kind: Kind
    key: str

    @property
    def word(self) -> str:
        """As it stands in an address: `config:optimizer.lr`."""
        return f"{self.kind}:{self.key}"

    @property
    def label(self) -> str:
        """As it heads the table."""
        return self.key.removeprefix("model.")

    def is_called(self, name: str) -> bool:
        """Whether a name in small letters is its whole key or label."""
        return name in (self.key.lower(), self.label.lower())


def column_of(word: str) -> Column | None:
    """The column of a word, or None."""
    kind, sign, key = word.partition(":")
    if not sign or not key:
        return None
    return Column("summary", key) if kind == "summary" else Column("config", key) if kind == "config" else None


def chosen(words: Sequence[str], runs: Sequence[Held]) -> list[Column]:
    """The columns that were asked for, or the default ones."""
    found = [column for word in words if (column := column_of(word)) is not None]
    return list(dict.fromkeys(found))[:MOST] if words else default(runs)


def catalogue(runs: Sequence[Held]) -> list[dict[str, Any]]:
    """Every column there is: word, label, and how many runs have it; results first, then settings, by name."""
    counted: Counter[Column] = Counter()
    for run in runs:
        counted.update(Column("summary", key) for key in run.summary)
        counted.update(Column("config", key) for key in run.config)
    order = sorted(counted, key=lambda column: (column.kind == "config", column.key))
    return [{"word": one.word, "kind": one.kind, "key": one.key, "runs": counted[one]} for one in order]


def groupings(runs: Sequence[Held]) -> list[tuple[str, list[str]]]:
    """What runs can be grouped by: the settings on which the newest differ, and the others, by name."""
    every = {key for run in runs for key in run.config}
    apart = varied([run.config for run in runs[-NEWEST:]], partial=True)
    return [("differ", sorted(every & apart.keys())), ("other settings", sorted(every - apart.keys()))]


def default(runs: Sequence[Held]) -> list[Column]:
    """What a reader wants first: the metrics that runs are judged by, and the settings on which the newest differ."""
    return [*_results(runs[-NEWEST:]), *_settings(runs[-NEWEST:])]


class Form(NamedTuple):
    """How a column writes its numbers, all of them by one rule."""

    digits: int | None
    """Significant digits of a setting, with which no two values look alike; None for all of them."""
    decimals: int | None
    """So many of each number, so that their points stand below one another; None where a power of ten is written."""


def form_of(column: Column, values: Sequence[Scalar]) -> Form:
    """The form of a column that has these values."""
    plain = Form(digits_apart(values) if column.kind == "config" else None, None)
    texts = {text_of(column, value, plain) for value in set(values) if _is_number(value)}
    places = max((len(text.partition(".")[2]) for text in texts), default=0)
    return plain._replace(decimals=places if places <= MOST_DECIMALS and not any("e" in one for one in texts) else None)


def text_of(column: Column, value: Scalar, form: Form) -> str:
    """A value as the table shows it."""
    if form.decimals and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return decimals(value, form.decimals)
    if column.kind == "summary":
        return measured(column.key, value)
    return MISSING if value is None else setting(value, form.digits)


def cell(run: Held, column: Column) -> Scalar:
    """The value of a run in a column; long texts are cut, and what is no finite number is a word."""
    return shown(_value(run, column))


def shown(value: Scalar) -> Scalar:
    """A value as a cell has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value[:SHOWN_TEXT] if isinstance(value, str) else value


def _value(run: Held, column: Column) -> Scalar:
    """Most keys are found as they are written; only the others are worth a look at the whole tree."""
    tree = run.last if column.kind == "summary" else run.sent
    found = tree.get(column.key)
    if found is None or isinstance(found, (dict, list)):
        found = (run.summary if column.kind == "summary" else run.config).get(column.key)
    return found


def _results(runs: Sequence[Held]) -> list[Column]:
    counted = Counter(key for run in runs for key, value in run.summary.items() if _is_number(value))
    judged = [names.evaluation(split, "auprc") for split in ("val", "test")]
    known = [key for key in judged if counted[key]]
    common = [key for key, _ in counted.most_common() if key != names.EPOCH][:RESULTS]
    return [Column("summary", key) for key in (known or common)]


def _settings(runs: Sequence[Held]) -> list[Column]:
    """Settings with more than one value, those first that split the runs into few, even groups."""
    found = varied([run.config for run in runs], partial=True)
    told = [key for key, values in found.items() if key not in DESCRIPTIVE and max(map(len, map(str, values))) <= WIDE]
    return [Column("config", key) for key in sorted(told, key=lambda key: (-_spread(found[key]), key))[:SETTINGS]]


def _spread(values: Sequence[Scalar]) -> float:
    """Share of runs that do not have the commonest value; words that every run has alone are names, not settings."""
    counts = Counter(values)
    words = all(isinstance(value, str) for value in counts if value is not None)
    return 0.0 if words and len(counts) > max(2, len(values) // 2) else 1.0 - max(counts.values()) / len(values)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
