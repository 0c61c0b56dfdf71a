"""A directed graph in columns: every edge goes to the right, and few of them cross.

The usual steps: edges that close a cycle are set aside, a node's column is the longest way to it, an edge over several
columns gets a place in each of them, and the places of a column are sorted by the mean of their neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

Pair = tuple[str, str]
Place = tuple[int, int]
"""Column and row."""

SWEEPS = 4
"""Times that the columns are sorted, forth and back."""


class _Bend(NamedTuple):
    """The place of an edge in a column between its ends."""

    edge: Pair
    column: int


_Key = str | _Bend


@dataclass(frozen=True)
class Layout:
    """Where the nodes are, and the free places through which long edges go."""

    places: Mapping[str, Place]
    via: Mapping[Pair, tuple[Place, ...]]


def layered(nodes: Sequence[str], edges: Sequence[Pair]) -> Layout:
    """Place nodes in columns and rows; nodes without an order of their own keep the given one."""
    forward = _acyclic(nodes, edges)
    column = _columns(nodes, forward)
    bends = {pair: [_Bend(pair, middle) for middle in range(column[pair[0]] + 1, column[pair[1]])] for pair in forward}
    columns: list[list[_Key]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for node in nodes:
        columns[column[node]].append(node)
    for bend in (bend for found in bends.values() for bend in found):
        columns[bend.column].append(bend)
    row = _rows(columns, [[pair[0], *found, pair[1]] for pair, found in bends.items()])
    return Layout(
        places={node: (column[node], row[node]) for node in nodes},
        via={pair: tuple((bend.column, row[bend]) for bend in found) for pair, found in bends.items()},
    )


def _acyclic(nodes: Sequence[str], edges: Sequence[Pair]) -> list[Pair]:
    """The edges without those that lead back to a node under way; a walk without recursion."""
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        after[source].append(target)
    kept: list[Pair] = []
    seen: set[str] = set()
    for first in nodes:
        if first in seen:
            continue
        seen.add(first)
        under_way, path = {first}, [(first, iter(after[first]))]
        while path:
            node, targets = path[-1]
            for target in targets:
                if target not in under_way:
                    kept.append((node, target))
                if target not in seen:
                    seen.add(target)
                    under_way.add(target)
                    path.append((target, iter(after[target])))
                    break
            else:
                under_way.discard(node)
                path.pop()
    return kept


def _columns(nodes: Sequence[str], edges: Sequence[Pair]) -> dict[str, int]:
    """The number of steps of the longest way to each node."""
    after: dict[str, list[str]] = defaultdict(list)
    open_ways = dict.fromkeys(nodes, 0)
    for source, target in edges:
        after[source].append(target)
        open_ways[target] += 1
    column = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if open_ways[node] == 0]
    while ready:
        node = ready.pop()
        for target in after[node]:
            column[target] = max(column[target], column[node] + 1)
            open_ways[target] -= 1
            if open_ways[target] == 0:
                ready.append(target)
    return column


def _rows(columns: list[list[_Key]], chains: Sequence[Sequence[_Key]]) -> dict[_Key, int]:
    """Rows after sorting each column by its left neighbours, then by its right ones, some times."""
    left: dict[_Key, list[_Key]] = defaultdict(list)
    right: dict[_Key, list[_Key]] = defaultdict(list)
    for chain in chains:
        for before, after in pairwise(chain):
            left[after].append(before)
            right[before].append(after)
    row: dict[_Key, int] = {key: place for keys in columns for place, key in enumerate(keys)}
    for sweep in range(SWEEPS):
        neighbours, order = (left, columns) if sweep % 2 == 0 else (right, columns[::-1])
        for keys in order:
            centre = {key: _centre(row, neighbours[key], row[key]) for key in keys}
            keys.sort(key=centre.__getitem__)
            row |= {key: place for place, key in enumerate(keys)}
    return row


def _centre(row: Mapping[_Key, int], neighbours: Sequence[_Key], own: int) -> float:
    return sum(row[key] for key in neighbours) / len(neighbours) if neighbours else own
