"""What a picture shows, apart from how it is drawn: the page, the report and the PNG files draw the same figures.

A figure is a value. `as_json` is what `static/charts.js` draws in a browser; `png.write` draws the same on paper.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kag.text import printable
from kag.track.output import marked

if TYPE_CHECKING:
    from kag.report.tried import OnPage

Numbers = Sequence[float]

SOFTWARE = "kag figure"
"""What a PNG file says of who wrote it."""

FIGURE = marked("a figure", b"tEXtSoftware\0" + SOFTWARE.encode(), begins=b"\x89PNG\r\n")


@dataclass(frozen=True)
class Line:
    """One curve; NaN leaves a gap."""

    label: str
    x: Numbers
    y: Numbers
    dashed: bool = False
    points: bool = False
    """Draw dots without a line."""
    colour: int | None = None
    """Place in the palette; None takes the next one. Lines of one run have one colour in all charts."""


@dataclass(frozen=True)
class Band:
    """The room between two curves."""

    label: str
    x: Numbers
    low: Numbers
    high: Numbers
    colour: int | None = None
    """As of a line."""


@dataclass(frozen=True)
class Mark:
    """A place on the x axis, such as the best epoch."""

    x: float
    label: str


@dataclass(frozen=True)
class Span:
    """A stretch of the x axis, such as an SWA window."""

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Curves over a common x axis; charts of one `axis` move together."""

    kind: ClassVar[Literal["chart"]] = "chart"
    name: str
    """Short, unique on its page: the file name of its PNG."""
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...] = ()
    bands: tuple[Band, ...] = ()
    marks: tuple[Mark, ...] = ()
    spans: tuple[Span, ...] = ()
    axis: str | None = None
    notes: tuple[str, ...] = ()
    """Sentences that stand below."""


@dataclass(frozen=True)
class Heatmap:
    """Values over two discrete axes; NaN cells stay empty."""

    kind: ClassVar[Literal["heatmap"]] = "heatmap"
    name: str
    title: str
    x_label: str
    y_label: str
    value_label: str
    x: tuple[str, ...]
    y: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    """One tuple a row of `y`."""
    marked: tuple[int, int] | None = None
    """Row and column of the best cell."""
    framed: tuple[tuple[int, int], ...] = ()
    """Those of further cells to point out, on paper alone."""


@dataclass(frozen=True)
class Axis:
    """An axis of parallel coordinates: numbers, or `words` for a categorical one (values are then its indices)."""

    label: str
    words: tuple[str, ...] | None = None
    logarithmic: bool = False


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates; the last axis colours the lines."""

    kind: ClassVar[Literal["parallel"]] = "parallel"
    name: str
    title: str
    axes: tuple[Axis, ...]
    rows: tuple[tuple[float, ...], ...]
    """One value an axis."""
    labels: tuple[str, ...]
    """One a row."""


@dataclass(frozen=True)
class Bars:
    """Named amounts, largest first."""

    kind: ClassVar[Literal["bars"]] = "bars"
    name: str
    title: str
    value_label: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Estimate:
    """A difference with its interval: a line of a forest plot."""

    label: str
    value: float
    low: float | None
    high: float | None
    told: str
    """Both as text."""
    apart: bool
    """Whether the interval leaves zero out."""


@dataclass(frozen=True)
class Forest:
    """Differences below one another, zero marked."""

    kind: ClassVar[Literal["forest"]] = "forest"
    name: str
    title: str
    value_label: str
    rows: tuple[Estimate, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dotted:
    """Dots of one kind."""

    label: str
    x: Numbers
    y: Numbers
    told: tuple[str, ...]
    """What is said of each that is pointed at."""
    named: tuple[tuple[int, str], ...] = ()
    """Places of those that have a name written beside them, with it."""
    joined: bool = False
    """Whether a line leads from each to the next."""
    colour: int | None = None


@dataclass(frozen=True)
class Dots:
    """Things that have two numbers of one scale each; on the diagonal both are equal."""

    kind: ClassVar[Literal["dots"]] = "dots"
    name: str
    title: str
    x_label: str
    y_label: str
    diagonal: str
    """What it is to lie on it."""
    parts: tuple[Dotted, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A run in a lineage."""

    id: str
    label: str
    column: int
    """Generation, counted from the oldest."""
    row: int
    link: str | None = None
    current: bool = False


@dataclass(frozen=True)
class Edge:
    """From an ancestor to what came of it."""

    source: str
    target: str
    label: str
    dashed: bool = False
    """No weights went this way: the ancestor is only what the run is compared with."""
    via: tuple[tuple[int, int], ...] = ()
    """Columns and rows of the free places between, where it passes other nodes."""


@dataclass(frozen=True)
class Graph:
    """A lineage."""

    kind: ClassVar[Literal["graph"]] = "graph"
    name: str
    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


Figure = Chart | Heatmap | Parallel | Bars | Forest | Dots | Graph


def as_json(figure: Figure | OnPage) -> dict[str, Any]:
    """A figure as JSON values, with texts that turn nothing; numbers that are not finite become null."""
    text = json.dumps({"kind": figure.kind, **vars(figure)}, default=lambda x: vars(x) if is_dataclass(x) else list(x))
    return dict(_shown(json.loads(text, parse_constant=lambda _: None)))


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, lines=True)
    if isinstance(value, list):
        return [_shown(one) for one in value]
    return {name: _shown(one) for name, one in value.items()} if isinstance(value, dict) else value
