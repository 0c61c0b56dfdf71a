"""Figures on paper: the same figures as PNG files, drawn by matplotlib."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kag.report.figure import SOFTWARE, Bars, Chart, Dots, Figure, Forest, Graph, Heatmap, Line, Parallel
from kag.report.png_lines import INK, MUTED, draw_graph, draw_parallel, last_row, plain_text
from kag.report.png_scored import draw_dots, draw_forest
from kag.text import number
from kag.view.results import measured

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#b0578d", "#9a6a00", "#3aa0d8", "#4a4f57", "#582aa2",
    "#8080fc", "#8d1828", "#2d5a04", "#879f18", "#978cad", "#eb596e", "#8b9877", "#bb6adc",
    "#7e0f7a", "#c37c76", "#1b3fad", "#6a3860", "#733c1a", "#0c7d87", "#5e5b94", "#9d0f5d",
)  # fmt: skip
"""Told apart by people who do not see red or green as others do."""

DOTS_PER_INCH = 160
WRITTEN_CELLS = 120
"""Cells of a heat map up to which each has its value written in it."""
NAMED_CELLS = 24
"""Columns or rows of a heat map up to which each has its name; of more, every second one, or third, ..."""
NOTE = 100
"""Letters in a line below a figure."""
_GRID = "#dfe4ea"


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    canvas = Canvas(figsize=_size(figure), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    pad = 18.0 if isinstance(figure, Chart) and figure.marks else 6.0
    axes.set_title(plain_text(figure.title), loc="left", fontsize=11, fontweight="bold", color=INK, wrap=True, pad=pad)
    match figure:
        case Chart():
            _chart(axes, figure)
        case Bars():
            _bars(axes, figure)
        case Heatmap():
            _heatmap(axes, figure)
        case Parallel():
            draw_parallel(axes, figure)
        case Forest():
            _plain_axes(axes, figure.value_label, "")
            draw_forest(axes, figure, COLOURS)
        case Dots():
            _plain_axes(axes, figure.x_label, figure.y_label)
            draw_dots(axes, figure, COLOURS)
        case Graph():
            draw_graph(axes, figure)
    if isinstance(figure, (Chart, Forest, Dots)) and figure.notes:
        notes = "\n".join(textwrap.fill(plain_text(note), NOTE) for note in figure.notes)
        canvas.supxlabel(notes, x=0.02, ha="left", fontsize=7.5, color=MUTED)
    picture = io.BytesIO()
    canvas.savefig(picture, format="png", dpi=DOTS_PER_INCH, metadata={"Software": SOFTWARE})
    return picture.getvalue()


def _size(figure: Figure) -> tuple[float, float]:
    match figure:
        case Parallel():
            return max(7.0, 1.7 * len(figure.axes)), 4.2
        case Graph():
            columns = 1 + max(node.column for node in figure.nodes)
            return max(5.0, 2.9 * columns), 0.8 + 0.85 * (1 + last_row(figure))
        case Bars():
            return 6.4, 1.3 + 0.32 * len(figure.labels)
        case Forest():
            return 7.6, 1.5 + 0.32 * len(figure.rows) + 0.2 * len(figure.notes)
        case Dots():
            return 5.4, 5.0 + 0.2 * len(figure.notes)
        case _:
            return 6.4, 4.0


def _plain_axes(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(plain_text(x_label), color=MUTED)
    axes.set_ylabel(plain_text(y_label), color=MUTED)
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GRID)


def _chart(axes: Axes, figure: Chart) -> None:
    _plain_axes(axes, figure.x_label, figure.y_label)
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    handles: dict[str, Artist] = {}
    for place, band in enumerate(figure.bands):
        colour = COLOURS[(place if band.colour is None else band.colour) % len(COLOURS)]
        handles[band.label] = axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.2, linewidth=0)
    for place, line in enumerate(figure.lines):
        handles[line.label] = _line(axes, line, place if line.colour is None else line.colour)
    low, high = axes.get_xlim()
    for span in figure.spans:
        axes.axvspan(span.start, span.end, color=COLOURS[0], alpha=0.08, linewidth=0)
        middle = (max(span.start, low) + min(span.end, high)) / 2
        _note(axes, middle, 0.97, span.label, "center", "top")
    for mark in figure.marks:
        axes.axvline(mark.x, color=MUTED, linestyle=":", linewidth=1.2)
        _note(axes, mark.x, 1.01, mark.label, "right" if mark.x > (low + high) / 2 else "left", "bottom")
    axes.set_xlim(low, high)
    if all(float(x).is_integer() for line in figure.lines for x in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(handles) > 1:
        labels = [f" {plain_text(label)}" for label in handles]
        axes.legend(list(handles.values()), labels, fontsize=8, frameon=False, loc="best")


def _line(axes: Axes, line: Line, place: int) -> Artist:
    colour = COLOURS[place % len(COLOURS)]
    if line.points:
        alone = len(line.x) == 1
        edge = INK if alone else colour
        return axes.scatter(line.x, line.y, s=48 if alone else 18, color=colour, edgecolors=edge, zorder=3)
    style = "--" if line.dashed else "-" if place < len(COLOURS) else ":"
    known = sum(value == value for value in line.y)
    dot = "o" if known == 1 else None
    (drawn,) = axes.plot(line.x, line.y, color=colour, linestyle=style, linewidth=1.6, marker=dot, markersize=4)
    return drawn


def _note(axes: Axes, x: float, y: float, text: str, across: str, along: str) -> None:
    place = axes.get_xaxis_transform()
    axes.text(x, y, plain_text(text), transform=place, ha=across, va=along, fontsize=8, color=MUTED)


def _bars(axes: Axes, figure: Bars) -> None:
    _plain_axes(axes, figure.value_label, "")
    places = range(len(figure.labels))
    drawn = axes.barh(places, figure.values, color=COLOURS[0], height=0.6)
    axes.bar_label(drawn, [number(value) for value in figure.values], padding=3, fontsize=8)
    axes.set_yticks(places, [plain_text(label) for label in figure.labels])
    axes.invert_yaxis()
    axes.margins(x=0.12)


def _heatmap(axes: Axes, figure: Heatmap) -> None:
    _plain_axes(axes, figure.x_label, figure.y_label)
    values = np.array(figure.values, dtype=float)
    image = axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    axes.figure.colorbar(image, ax=axes, label=plain_text(figure.value_label))
    for set_ticks, words in ((axes.set_xticks, figure.x), (axes.set_yticks, figure.y)):
        step = -(-len(words) // NAMED_CELLS)
        set_ticks(range(0, len(words), step), words[::step])
    if values.size <= WRITTEN_CELLS:
        middle = float(np.nanmin(values) + 0.55 * (np.nanmax(values) - np.nanmin(values)))
        for (row, column), value in np.ndenumerate(values):
            if value == value:
                colour = "black" if value > middle else "white"
                text = measured(figure.value_label, value)
                axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    for row, column in (*figure.framed, *([figure.marked] if figure.marked else ())):
        width = 2.5 if (row, column) == figure.marked else 1.0
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=width)
        axes.add_patch(frame)
