"""A directed graph in columns: every edge goes to the right, and few of them cross.

The usual steps (Sugiyama, Tagawa and Toda, 1981): an edge of each cycle is set aside, a node's column is the longest
way to it, an edge over several columns gets a place in each of them, and the places of a column are sorted by the mean
of their neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from statistics import fmean

Pair = tuple[str, str]
Place = tuple[int, int]
"""Column and row."""

SWEEPS = 2
"""Times that the columns are sorted, forth and back."""

_Key = str | tuple[Pair, int]
"""A node, or an edge in a column between its ends."""


@dataclass(frozen=True)
class Layout:
    """Where the nodes are, and the free places through which long edges go."""

    places: Mapping[str, Place]
    via: Mapping[Pair, tuple[Place, ...]]


def layered(nodes: Sequence[str], edges: Sequence[Pair]) -> Layout:
    """Place nodes in columns and rows; nodes without an order of their own keep the given one."""
    column, kept = _columns(nodes, edges)
    bends = {pair: [(pair, middle) for middle in range(column[pair[0]] + 1, column[pair[1]])] for pair in kept}
    columns: defaultdict[int, list[_Key]] = defaultdict(list)
    for node in nodes:
        columns[column[node]].append(node)
    for bend in (bend for found in bends.values() for bend in found):
        columns[bend[1]].append(bend)
    chains: list[list[_Key]] = [[pair[0], *found, pair[1]] for pair, found in bends.items()]
    row = _rows([keys for _, keys in sorted(columns.items())], chains)
    return Layout(
        places={node: (column[node], row[node]) for node in nodes},
        via={pair: tuple((bend[1], row[bend]) for bend in found) for pair, found in bends.items()},
    )


def _columns(nodes: Sequence[str], edges: Sequence[Pair]) -> tuple[dict[str, int], list[Pair]]:
    """The number of steps of the longest way to each node, and the edges but one of each cycle."""
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        before[target].append(source)
    while True:
        try:
            order = list(TopologicalSorter(before).static_order())
            break
        except CycleError as error:
            *_, source, target = error.args[1]
            before[target].remove(source)
    column: dict[str, int] = {}
    for node in order:
        column[node] = max((column[source] + 1 for source in before[node]), default=0)
    return column, [(source, target) for source, target in edges if source in before[target]]


def _rows(columns: Sequence[list[_Key]], chains: Sequence[Sequence[_Key]]) -> dict[_Key, int]:
    """Rows after sorting each column by its left neighbours, then by its right ones, some times."""
    left: dict[_Key, list[_Key]] = defaultdict(list)
    right: dict[_Key, list[_Key]] = defaultdict(list)
    for before, after in (step for chain in chains for step in pairwise(chain)):
        left[after].append(before)
        right[before].append(after)
    row = {key: place for keys in columns for place, key in enumerate(keys)}
    for neighbours, order in [(left, columns), (right, columns[::-1])] * SWEEPS:
        for keys in order:
            keys.sort(key=lambda key: fmean([row[other] for other in neighbours.get(key, ())] or [row[key]]))
            row |= {key: place for place, key in enumerate(keys)}
    return row
