"""Forest plots and dots on a diagonal, drawn by matplotlib."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from kag.report.figure import Dots, Dotted, Forest
from kag.report.png_lines import INK, MUTED, plain_text

Palette = tuple[str, ...]


def draw_forest(axes: Axes, figure: Forest, colours: Palette) -> None:
    """A line a difference: a full dot where its interval leaves zero out, a hollow one where it does not."""
    axes.axvline(0.0, color=MUTED, linestyle=":", linewidth=1.2)
    for place, row in enumerate(figure.rows):
        colour = colours[0] if row.apart else MUTED
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6, marker="|", markersize=7)
        axes.plot(
            [row.value], [place], "o", color=colour, markerfacecolor=colour if row.apart else "white", markersize=6
        )
    axes.set_yticks(range(len(figure.rows)), [plain_text(row.label) for row in figure.rows], color=INK)
    axes.set_ylim(len(figure.rows) - 0.5, -0.5)
    told = axes.secondary_yaxis("right")
    told.set_yticks(range(len(figure.rows)), [plain_text(row.told) for row in figure.rows], fontsize=8, color=MUTED)
    told.tick_params(length=0)
    told.spines[:].set_visible(False)


def draw_dots(axes: Axes, figure: Dots, colours: Palette) -> None:
    """Dots over the diagonal, on two axes of one scale; some have their name beside them."""
    values = [value for part in figure.parts for value in (*part.x, *part.y) if math.isfinite(value)]
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or 0.05
    ends = (low - pad, high + pad)
    axes.plot(ends, ends, color=MUTED, linestyle="--", linewidth=1.0, zorder=1)
    for place, part in enumerate(figure.parts):
        _part(axes, part, colours[(place if part.colour is None else part.colour) % len(colours)], sum(ends) / 2)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")
    if len(figure.parts) > 1:
        axes.legend(fontsize=8, frameon=False, loc="upper left")


def _part(axes: Axes, part: Dotted, colour: str, middle: float) -> None:
    style = "-" if part.joined else ""
    label = plain_text(part.label)
    axes.plot(part.x, part.y, linestyle=style, marker="o", markersize=4, color=colour, linewidth=1.2, label=label)
    for place, name in part.named:
        left = part.x[place] > middle
        axes.annotate(
            plain_text(name),
            (part.x[place], part.y[place]),
            xytext=(-5 if left else 5, -2),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize=7,
            color=INK,
        )
