"""What a machine did while a run was under way: CPU, memory, GPUs, disks, network over time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from kag.number import number
from kag.report.figure import Chart, Line

LINES = 16
"""Devices in one chart."""
CHARTS = 60
"""Charts of one run."""

PREFIX = "system."
_ORDER = ("cpu", "memory", "proc", "gpu", "tpu", "disk", "network")
_DEVICE = re.compile(r"(?<=\.)(\d+)(?=\.|$)")
_RUNTIME, _TIMESTAMP = "_runtime", "_timestamp"


def system_figures(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A chart of each measured number over minutes; what several devices measured alike is in one.

    Args:
        rows: of W&B's stream of events: `{"system.gpu.0.gpu": 71, "_runtime": 30, ...}`.
    """
    times = _minutes(rows)
    groups: dict[str, list[str]] = {}
    for key in sorted({key for row in rows for key in row if key.startswith(PREFIX)}, key=_natural):
        groups.setdefault(_DEVICE.sub("*", key), []).append(key)
    drawn = (_chart(name, keys[:LINES], rows, times) for name, keys in sorted(groups.items(), key=_place))
    return [chart for chart in drawn if chart.lines][:CHARTS]


def _minutes(rows: Sequence[Mapping[str, Any]]) -> list[float | None]:
    runtimes = [number(row.get(_RUNTIME)) for row in rows]
    stamps = [number(row.get(_TIMESTAMP)) for row in rows]
    begin = min((stamp for stamp in stamps if stamp is not None), default=0.0)
    since = [None if stamp is None else stamp - begin for stamp in stamps]
    seconds = [since[i] if runtime is None else runtime for i, runtime in enumerate(runtimes)]
    return [None if second is None else round(second / 60, 3) for second in seconds]


def _chart(name: str, keys: list[str], rows: Sequence[Mapping[str, Any]], times: Sequence[float | None]) -> Chart:
    title = name.removeprefix(PREFIX)
    lines = []
    for key in keys:
        device = _DEVICE.search(key)
        measured = ((time, number(row.get(key))) for time, row in zip(times, rows, strict=True))
        points = [(time, value) for time, value in measured if time is not None and value is not None]
        label = device[1] if device else title
        if points:
            x, y = tuple(time for time, _ in points), tuple(value for _, value in points)
            lines.append(Line(label, x, y, points=len(points) == 1))
    return Chart(name=name, title=title, x_label="minutes", y_label="", lines=tuple(lines), axis="minutes")


def _place(group: tuple[str, list[str]]) -> tuple[int, str]:
    part = group[0].removeprefix(PREFIX).split(".")[0]
    return next((i for i, word in enumerate(_ORDER) if part.startswith(word)), len(_ORDER)), group[0]


def _natural(key: str) -> list[tuple[int, str]]:
    """GPU 2 comes before GPU 10."""
    return [(int(part), "") if part.isdecimal() and len(part) < 9 else (-1, part) for part in key.split(".")]
