"""Figures that matplotlib has no chart for: parallel coordinates and lineages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from kag.report.figure import Axis, Edge, Graph, Node, Parallel
from kag.text import number

INK, MUTED = "#16202b", "#5a6673"
TICKS = 5
_FRAME, _PALE, _CURRENT = "#b8c1cb", "#f6f7f9", "#0b62a8"
_BOX = (0.62, 0.56)
"""Width and height of a node's box, where columns and rows are 1 apart."""


def plain_text(text: str) -> str:
    """Names are text: matplotlib would read formulas between dollar signs."""
    return text.replace("$", r"\$")


def draw_parallel(axes: Axes, figure: Parallel) -> None:
    """One polyline a row, coloured by the last axis; where a value is missing the line has a gap."""
    columns = [[row[place] for row in figure.rows] for place in range(len(figure.axes))]
    scaled = [_scaled(axis, values) for axis, values in zip(figure.axes, columns, strict=True)]
    colours = colormaps["viridis"]
    for line in zip(*scaled, strict=True):
        axes.plot(range(len(line)), line, color=colours(line[-1]) if math.isfinite(line[-1]) else MUTED, alpha=0.8)
    for place, (axis, values) in enumerate(zip(figure.axes, columns, strict=True)):
        axes.axvline(place, color=MUTED, linewidth=0.8)
        for value, height in _ticks(axis, values):
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
            text = plain_text(value)
            axes.text(place + 0.02, height, text, fontsize=7, color=INK, va="center", bbox=box)
    names = ["\n".join(axis.label.split(".")[-2:]) for axis in figure.axes]
    axes.set_xticks(range(len(names)), [plain_text(name) for name in names], fontsize=8)
    axes.set_yticks([])
    axes.set_xlim(-0.05, len(names) - 0.75)
    axes.spines[:].set_visible(False)


def _bounds(axis: Axis, values: Sequence[float]) -> tuple[float, float]:
    known = [_number(axis, value) for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if axis.words is not None:
        low, high = 0.0, len(axis.words) - 1.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _number(axis: Axis, value: float) -> float:
    return math.log10(value) if axis.logarithmic else value


def _scaled(axis: Axis, values: Sequence[float]) -> list[float]:
    low, high = _bounds(axis, values)
    return [(_number(axis, value) - low) / (high - low) if math.isfinite(value) else math.nan for value in values]


def _ticks(axis: Axis, values: Sequence[float]) -> list[tuple[str, float]]:
    """Texts and heights."""
    low, high = _bounds(axis, values)
    if axis.words is not None:
        return [(word, (place - low) / (high - low)) for place, word in enumerate(axis.words)]
    known = sorted({value for value in values if math.isfinite(value)})
    if len(known) <= TICKS:
        shown = [_number(axis, value) for value in known]
    else:
        shown = [low + step / (TICKS - 1) * (high - low) for step in range(TICKS)]
    return [(number(10**value if axis.logarithmic else value), (value - low) / (high - low)) for value in shown]


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
