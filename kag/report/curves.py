"""Curves of any run: a chart of every logged number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kag.number import number
from kag.report.figure import Chart, Line

LINES = 6
"""Curves in one chart, of keys such as `train/loss` and `val/loss`."""

CHARTS = 40
"""Charts of one run."""

_AXES = ("epoch", "trainer/global_step", "global_step", "step", "iteration")
"""Logged keys that count; the first that every row has becomes the axis, else W&B's own step."""

_STEP = "_step"


def curves(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Charts of every logged number; what has one name in several sections (`train/loss`, `val/loss`) is in one."""
    numbers = [dict(_numbers(row)) for row in rows]
    axis = next((key for key in _AXES if rows and all(key in row for row in numbers)), _STEP)
    groups: dict[str, list[str]] = {}
    for key in sorted({key for row in numbers for key in row} - {*_AXES, _STEP}):
        groups.setdefault(key.rpartition("/")[2], []).append(key)
    return [
        _chart(name, keys[begin : begin + LINES], numbers, axis)
        for name, keys in groups.items()
        for begin in range(0, len(keys), LINES)
    ][:CHARTS]


def overlaid(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Chart]:
    """One chart a logged number, with a curve of every run that has it; numbers of several runs first."""
    drawn = [
        (title, {line.label: (chart, line) for chart in curves(rows) for line in chart.lines})
        for title, rows in runs.items()
    ]
    shared = Counter(key for _, lines in drawn for key in lines)
    return [_overlay(key, drawn) for key in sorted(shared, key=lambda key: (-shared[key], key))][:CHARTS]


def _overlay(key: str, drawn: Sequence[tuple[str, Mapping[str, tuple[Chart, Line]]]]) -> Chart:
    found = [(place, title, *lines[key]) for place, (title, lines) in enumerate(drawn) if key in lines]
    lines = tuple(replace(line, label=title, colour=place) for place, title, _, line in found)
    return replace(found[0][2], name=key, title=key, lines=lines)


def _chart(name: str, keys: list[str], rows: Sequence[Mapping[str, float]], axis: str) -> Chart:
    lines = []
    for key in keys:
        points = [(row.get(axis, float(i)), row[key]) for i, row in enumerate(rows) if key in row]
        lines.append(Line(key, tuple(x for x, _ in points), tuple(y for _, y in points), points=len(points) == 1))
    title = keys[0] if len(keys) == 1 else name
    return Chart(name=keys[0], title=title, x_label=axis.lstrip("_"), y_label="", lines=tuple(lines), axis=axis)


def _numbers(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        if key.startswith("_") and key != _STEP:
            continue
        if isinstance(value, Mapping) and "_type" not in value:
            yield from _numbers(value, f"{prefix}{key}.")
        elif (found := number(value)) is not None:
            yield f"{prefix}{key}", found
