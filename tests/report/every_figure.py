"""A figure of every kind, with names as a stranger could write them."""

from __future__ import annotations

import math

from kag.report.figure import (
    Axis,
    Band,
    Bars,
    Chart,
    Dots,
    Dotted,
    Edge,
    Estimate,
    Figure,
    Forest,
    Graph,
    Heatmap,
    Line,
    Mark,
    Node,
    Parallel,
    Span,
)

HOSTILE = "<img src=x onerror=document.title='taken'>"
TRICKY = "{a|b} $x^2$ {c} _under"

X = range(8)
CHART = Chart(
    "chart",
    f"Chart of {HOSTILE}",
    "epoch",
    "AUPRC",
    (
        Line(HOSTILE, X, [0.1, 0.2, math.nan, 0.4, math.nan, 0.5, 0.6, 0.7]),
        Line(TRICKY, X, [0.3] * 8, dashed=True, colour=9),
        Line("dots", X, [0.2] * 8, points=True),
    ),
    (Band("band", X, [0.0, 0.1, math.nan, 0.2, 0.2, 0.2, 0.2, 0.2], [0.5] * 8),),
    (Mark(5, "best epoch 5"),),
    (Span(5.5, 7.5, "SWA 6 to 7"),),
    "epoch",
)
OTHER_CHART = Chart("other", "Other", "epoch", "loss", (Line("loss", X, [float(x) for x in X]),), axis="epoch")
HEATMAP = Heatmap(
    "heatmap", "Heatmap", "start", "window", "val/auprc", ("4", "6"), ("1", "2"), ((0.1, 0.2), (0.3, math.nan)), (1, 0)
)
PARALLEL = Parallel(
    "parallel",
    "Parallel",
    (Axis("loss.kind", words=(HOSTILE, TRICKY)), Axis("optimizer.lr", logarithmic=True), Axis("val/auprc")),
    ((0, 0.01, 0.5), (1, 0.0001, 0.4), (1, 0.001, math.nan)),
    (HOSTILE, "second", "third"),
)
BARS = Bars("bars", "Bars", "share", ("optimizer.lr", HOSTILE), (0.75, 0.25))
GRAPH = Graph(
    "graph",
    "Lineage",
    (
        Node("a", f"{HOSTILE}\nval AUPRC 0.4", 0, 0, "#target"),
        Node("b", TRICKY, 1, 0, "javascript:alert(1)"),
        Node("c", "now", 2, 0, None, current=True),
    ),
    (Edge("a", "b", "best"), Edge("b", "c", "share 0.5"), Edge("a", "c", "compared with", True, ((1, 1),))),
)
FOREST = Forest(
    "forest",
    "Forest",
    "difference",
    (
        Estimate(TRICKY, 0.2, 0.1, 0.3, "+0.200 [+0.100, +0.300]", True),
        Estimate(HOSTILE, -0.1, -0.3, 0.1, HOSTILE, False),
        Estimate("no interval", 0.05, None, None, "+0.050 without an interval", False),
    ),
    (f"unpaired, {HOSTILE}: {TRICKY}",),
)
DOTS = Dots(
    "dots",
    "Dots",
    TRICKY,
    HOSTILE,
    "no difference",
    (
        Dotted(HOSTILE, (0.1, 0.4, 0.9), (0.2, 0.1, 0.8), (HOSTILE, TRICKY, "third"), ((1, HOSTILE), (2, TRICKY))),
        Dotted("joined", (0.2, 0.5), (0.3, 0.6), ("one", "other"), joined=True, colour=1),
    ),
    ("a note",),
)
EVERY: tuple[Figure, ...] = (CHART, OTHER_CHART, HEATMAP, PARALLEL, BARS, FOREST, DOTS, GRAPH)
