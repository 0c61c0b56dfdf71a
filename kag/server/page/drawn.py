"""Figures as scripts of the page get them."""

from __future__ import annotations

from typing import Any

from kag.report.figure import Figure, as_json
from kag.report.score_figures import Pictured
from kag.report.thin import thinned

POINTS = 800
"""Points that a curve has in a browser."""


def drawn(figure: Figure, points: int = POINTS) -> dict[str, Any]:
    """A figure for a script, with as many points as a screen can show."""
    return as_json(thinned(figure, min(points, POINTS)))


def shown(found: Pictured) -> dict[str, Any]:
    """The same of figures, and as sentences what could not be drawn."""
    return {"figures": [drawn(figure) for figure in found.figures], "said": [f"{one}." for one in found.said]}
