"""Figures that matplotlib has no chart for: parallel coordinates and lineages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from kag.report.figure import Axis, Edge, Graph, Node, Parallel
from kag.text import number

INK, MUTED = "#16202b", "#5a6673"
TICKS = 5
Numbers = np.ma.MaskedArray[Any, Any]
_FRAME, _PALE, _CURRENT = "#b8c1cb", "#f6f7f9", "#0b62a8"
_BOX = (0.62, 0.56)
"""Width and height of a node's box, where columns and rows are 1 apart."""


def plain_text(text: str) -> str:
    """Names are text: matplotlib would read formulas between dollar signs."""
    return text.replace("$", r"\$")


def draw_parallel(axes: Axes, figure: Parallel) -> None:
    """One polyline a row, coloured by the last axis; where a value is missing the line has a gap."""
    columns = [np.ma.masked_invalid([row[place] for row in figure.rows]) for place in range(len(figure.axes))]
    scales = [_scale(axis, values) for axis, values in zip(figure.axes, columns, strict=True)]
    heights = np.ma.stack([scale(values) for scale, values in zip(scales, columns, strict=True)])
    for line in heights.T:
        axes.plot(line, color=MUTED if line[-1] is np.ma.masked else colormaps["viridis"](line[-1]), alpha=0.8)
    for place, (axis, scale, values) in enumerate(zip(figure.axes, scales, columns, strict=True)):
        axes.axvline(place, color=MUTED, linewidth=0.8)
        for text, height in _ticks(axis, scale, values):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
            axes.text(place + 0.02, height, plain_text(text), fontsize=7, color=INK, va="center", bbox=box)
    names = ["\n".join(axis.label.split(".")[-2:]) for axis in figure.axes]
    axes.set_xticks(range(len(names)), [plain_text(name) for name in names], fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(-0.05, len(names) - 0.75)
    axes.spines[:].set_visible(False)


def _scale(axis: Axis, values: Numbers) -> Normalize:
    """From values to heights between 0 and 1; a single value is in the middle."""
    known = values.compressed() if axis.words is None else np.arange(len(axis.words))
    low, high = (known.min(), known.max()) if known.size else (1.0, 1.0)
    if axis.logarithmic:
        return LogNorm(low, high) if high > low else LogNorm(low / 2, high * 2)
    return Normalize(low, high) if high > low else Normalize(low - 0.5, high + 0.5)


def _ticks(axis: Axis, scale: Normalize, values: Numbers) -> Iterator[tuple[str, float]]:
    """Texts and heights."""
    if axis.words is not None:
        return zip(axis.words, scale(np.arange(len(axis.words))), strict=True)
    known = np.unique(values.compressed())
    shown = known if len(known) <= TICKS else scale.inverse(np.linspace(0, 1, TICKS))
    return zip(map(number, shown), scale(shown), strict=True)


def last_row(figure: Graph) -> int:
    """The lowest row that anything takes."""
    return max([*(node.row for node in figure.nodes), *(row for edge in figure.edges for _, row in edge.via)])


def draw_graph(axes: Axes, figure: Graph) -> None:
    """Boxes in columns, edges as curves from left to right."""
    of = {node.id: node for node in figure.nodes}
    leaving = Counter(edge.source for edge in figure.edges)
    for edge in figure.edges:
        _edge(axes, edge, of[edge.source], of[edge.target], fans_out=leaving[edge.source] > 1)
    for node in figure.nodes:
        _box(axes, node)
    axes.set_xlim(-_BOX[0] / 2 - 0.05, max(node.column for node in figure.nodes) + _BOX[0] / 2 + 0.05)
    axes.set_ylim(last_row(figure) + 0.5, -0.5)
    axes.axis("off")


def _box(axes: Axes, node: Node) -> None:
    style = "round,pad=0.02,rounding_size=0.06"
    frame = FancyBboxPatch(
        (node.column - _BOX[0] / 2, node.row - _BOX[1] / 2),
        *_BOX,
        boxstyle=style,
        facecolor=_PALE,
        edgecolor=_CURRENT if node.current else _FRAME,
        linewidth=2.0 if node.current else 1.0,
    )
    axes.add_patch(frame)
    text = "\n".join(_short(line, 30) for line in node.label.split("\n"))
    axes.text(node.column, node.row, plain_text(text), ha="center", va="center", fontsize=7.5, color=INK)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _edge(axes: Axes, edge: Edge, source: Node, target: Node, *, fans_out: bool) -> None:
    """The label stands at the end where fewer edges meet."""
    half = _BOX[0] / 2 + 0.02
    points = [(source.column + half, float(source.row))]
    points += [(column + side, float(row)) for column, row in edge.via for side in (-half, half)]
    points.append((target.column - half, float(target.row)))
    verts, codes = [points[0]], [Curve.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        verts += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Curve.CURVE4] * 3
    axes.add_patch(PathPatch(Curve(verts, codes), fill=False, edgecolor=MUTED, linestyle="--" if edge.dashed else "-"))
    end = points[-1]
    axes.plot([end[0] - 0.012], [end[1]], marker=">", color=MUTED, markersize=5)
    (x, y), across = (end, "right") if fans_out else (points[0], "left")
    beside = x - 0.05 if fans_out else x + 0.02
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85}
    axes.text(beside, y - 0.07, plain_text(_short(edge.label, 15)), ha=across, fontsize=7, color=MUTED, bbox=box)
