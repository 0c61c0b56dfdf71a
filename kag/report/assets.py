"""Files of a page that draws figures: what to load, in this order."""

from __future__ import annotations

from importlib import resources

SCRIPTS = (
    "echarts.min.js",
    "drawing.js",
    "curveview.js",
    "curves.js",
    "bundle.js",
    "scored.js",
    "options.js",
    "lineage.js",
    "zooming.js",
    "charts.js",
)
"""Classic scripts; the last one draws the figures of the document once it is parsed."""

STYLES = ("charts.css",)


def read(name: str) -> str:
    """Text of a file of `kag/report/static`."""
    return (resources.files("kag.report") / "static" / name).read_text(encoding="utf-8")
