"""Values of the runs of a project, as a filter and an order ask for them.

Runs that have been read give their own. Of many that have not, SQLite cuts out what is asked for
(`kag.server.json_entries`): the first rows of ten thousand runs need no look at a hundred settings of each. Wherever
what it says may not be all there is to say, the run itself is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import sqlalchemy as sa

from kag.server.json_entries import Cut, can_cut, entries, has_objects, outer_keys
from kag.server.page.columns import Column, Kind, cell, shown
from kag.server.page.held import CLIENT, Held, is_result, is_setting, lasted, unwrapped
from kag.server.tables import runs as table
from kag.spec.flat import keys_of
from kag.track.record import Scalar

Cell = Callable[[Held, Column], Scalar]
Seconds = Callable[[Held], float]

_TREES: Mapping[Kind, sa.Column[str]] = MappingProxyType({"config": table.c.config, "summary": table.c.summary})
_COUNTS: Mapping[Kind, Callable[[str], bool]] = MappingProxyType({"config": is_setting, "summary": is_result})
"""Which keys are settings and results, and not the client's own."""


class Values(Protocol):
    """What is known of some runs."""

    def columns(self, name: str) -> Sequence[Column]:
        """All columns whose key is a name as a whole are among these; if there is none, these are all there are."""

    def cells(self, columns: Sequence[Column]) -> Cell:
        """Gives the value of a run in any of the columns."""

    def seconds(self) -> Seconds:
        """Gives how long a run was under way."""


class Read:
    """Values of runs that are read for it.

    Args:
        runs: all that there are.
    """

    def __init__(self, runs: Sequence[Held]) -> None:
        self._runs = runs

    def columns(self, name: str) -> Sequence[Column]:
        """All there are, whatever the name."""
        settings, results = keys_of(run.settings for run in self._runs), keys_of(run.results for run in self._runs)
        return [*(Column("config", key) for key in settings), *(Column("summary", key) for key in results)]

    def cells(self, columns: Sequence[Column]) -> Cell:
        """What the run says."""
        return cell

    def seconds(self) -> Seconds:
        """What the run says."""
        return lambda run: run.seconds


class CutOut:
    """Values of runs that need not be read for it.

    Args:
        connection: a transaction, open as long as values are asked for.
        project: row of the table of projects.
        runs: all of the project.
    """

    def __init__(self, connection: sa.Connection, project: int, runs: Sequence[Held]) -> None:
        self._connection, self._project, self._read = connection, project, Read(runs)
        self._runs = runs
        self._cuts: dict[tuple[Kind, tuple[str, ...]], Cut] = {}

    def columns(self, name: str) -> Sequence[Column]:
        """Those of the outermost level, where they are all that the name can mean."""
        if len(self._outer) < len(_TREES):
            return self._read.columns(name)
        every = [Column(kind, key) for kind, keys in self._outer.items() for key in sorted(filter(_COUNTS[kind], keys))]
        whole = [one for one in every if one.is_called(name)]
        heads = {head for full in (name, f"model.{name}") for head in _heads(full)}
        if whole and not any(one.key.lower() in heads for one in every) and all(map(self._is_leaf, whole)):
            return every
        return every if self._is_flat else self._read.columns(name)

    def cells(self, columns: Sequence[Column]) -> Cell:
        """What the database says; the run, where that is not all."""
        cuts = {kind: self._cut(kind, [one.key for one in columns if one.kind == kind]) for kind in _TREES}

        def value(run: Held, column: Column) -> Scalar:
            found = _entry(cuts[column.kind], run, column)
            if found is None and _is_absent(cuts[column.kind], run, column):
                return None
            return cell(run, column) if found is None or isinstance(found, (dict, list)) else shown(found)

        return value

    def seconds(self) -> Seconds:
        """What the client has said of that, cut out of all that it said."""
        client = Column("summary", CLIENT)
        cut = self._cut("summary", [CLIENT])

        def seconds(run: Held) -> float:
            own = _entry(cut, run, client)
            return run.seconds if own is None and not _is_absent(cut, run, client) else lasted(run.row, own)

        return seconds

    def _cut(self, kind: Kind, keys: Sequence[str]) -> Cut:
        asked = tuple(key for key in dict.fromkeys(keys) if can_cut(key))
        if asked and (kind, asked) not in self._cuts:
            self._cuts[kind, asked] = entries(self._connection, self._project, _TREES[kind], asked)
        return self._cuts.get((kind, asked), {})

    def _is_leaf(self, column: Column) -> bool:
        """Whether a run surely has a value there, and no object."""
        cut = self._cut(column.kind, [column.key])
        found = (_entry(cut, run, column) for run in self._runs)
        return any(one is not None and not isinstance(one, dict) for one in found)

    @cached_property
    def _outer(self) -> dict[Kind, set[str]]:
        """The keys of the outermost level, as far as they can be read."""
        found = {kind: outer_keys(self._connection, self._project, tree) for kind, tree in _TREES.items()}
        return {kind: keys for kind, keys in found.items() if keys is not None}

    @cached_property
    def _is_flat(self) -> bool:
        """Whether no setting and no result is an object: then there is no other level."""
        skipped = {kind: [key for key in keys if not _COUNTS[kind](key)] for kind, keys in self._outer.items()}
        asked = ((_TREES[kind], keys) for kind, keys in skipped.items())
        return not any(has_objects(self._connection, self._project, tree, keys) for tree, keys in asked)


def _entry(cut: Cut, run: Held, column: Column) -> Any:
    """What a run has at a key of the outermost level; None too where nobody has looked."""
    found = (cut.get(run.number) or {}).get(column.key)
    return unwrapped(found) if column.kind == "config" else found


def _is_absent(cut: Cut, run: Held, column: Column) -> bool:
    """Whether a run has no value at a key for which no entry was found: neither further in, nor in other letters."""
    if cut.get(run.number) is None or not can_cut(column.key):
        return False
    text = run.row[column.kind]
    return not any(word in text for word in ("\\u00", "\\/", *(f'"{head}"' for head in _heads(column.key))))


def _heads(key: str) -> Iterator[str]:
    """`a` and `a.b` of `a.b.c`."""
    parts = key.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))
