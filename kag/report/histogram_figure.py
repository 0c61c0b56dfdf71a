"""Histograms over time: how the values of a logged tensor are spread at each step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from kag.number import number
from kag.report.figure import Heatmap
from kag.text import number as number_text

BINS = 32
"""Of the axis that all steps share."""


def histograms(name: str, logged: Mapping[int, Mapping[str, Any]]) -> Heatmap | None:
    """What W&B's rows `{"_type": "histogram"}` of one key come to, as parts of one; None if none can be read.

    Args:
        name: the key.
        logged: step -> what was logged.
    """
    read = {step: found for step, value in sorted(logged.items()) if (found := _read(value)) is not None}
    if not read:
        return None
    low, high = min(edges[0] for edges, _ in read.values()), max(edges[-1] for edges, _ in read.values())
    width = (high - low) / BINS
    if not math.isfinite(width):
        return None
    shares = [_shares(edges, counts, low, width) for edges, counts in read.values()]
    return Heatmap(
        name=name,
        title=name,
        x_label="step",
        y_label="value",
        value_label="share",
        x=tuple(map(str, read)),
        y=tuple(number_text(low + (i + 0.5) * width) for i in range(BINS)),
        values=tuple(tuple(column[i] or math.nan for column in shares) for i in range(BINS)),
    )


def _read(value: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]] | None:
    """Edges and counts of one: one edge more than counts, in order."""
    counts = _numbers(value.get("values"))
    packed = value.get("packedBins")
    if isinstance(packed, Mapping) and counts:
        begin, width = number(packed.get("min")), number(packed.get("size"))
        if begin is None or width is None:
            return None
        edges: Sequence[float] | None = [begin + width * i for i in range(len(counts) + 1)]
    else:
        edges = _numbers(value.get("bins"))
    if not edges or not counts or len(edges) != len(counts) + 1:
        return None
    rising = all(a <= b for a, b in pairwise(edges)) and min(counts) >= 0
    return (edges, counts) if rising else None


def _numbers(values: Any) -> list[float] | None:
    if not isinstance(values, list):
        return None
    found = [number(value) for value in values]
    return [one for one in found if one is not None] if all(_is_finite(one) for one in found) else None


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _shares(edges: Sequence[float], counts: Sequence[float], low: float, width: float) -> list[float]:
    """The part of all that falls into each bin of the common axis; a bin that lies across several is divided."""
    shares, total = [0.0] * BINS, sum(counts) or 1.0
    for begin, end, amount in zip(edges, edges[1:], counts, strict=False):
        first = min(BINS - 1, int((begin - low) / width)) if width else 0
        if not amount:
            continue
        if end <= begin or not width:
            shares[first] += amount / total
            continue
        for place in range(first, BINS):
            left, right = low + place * width, low + (place + 1) * width
            inside = min(end, right) - max(begin, left)
            if inside > 0:
                shares[place] += amount / total * inside / (end - begin)
            if right >= end:
                break
    return shares
