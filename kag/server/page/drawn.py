"""Figures as scripts of the page get them."""

from __future__ import annotations

from typing import Any

from kag.report.figure import Figure, as_json
from kag.report.thin import thinned

POINTS = 800
"""Points that a curve has in a browser."""


def drawn(figure: Figure) -> dict[str, Any]:
    """A figure for a script, with as many points as a screen can show."""
    return as_json(thinned(figure, POINTS))
