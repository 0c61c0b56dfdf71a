"""A report as one HTML file: it opens from disk, and its policy forbids every request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from jinja2 import Environment
from markupsafe import Markup

from kag import __version__
from kag.report import assets
from kag.report.figure import as_json
from kag.report.markup import markdown, templates, with_code
from kag.report.sections import Report
from kag.report.thin import thinned
from kag.text import digest, fact
from kag.track.output import marked
from kag.view.results import interval, measured
from kag.view.tables import details, evaluations_tables, facts, results_table

STYLES = (*assets.STYLES, "report.css")

REPORT = marked("a report", b'<meta name="generator" content="kag ')
_WIDE = ("parallel", "heatmap", "forest", "graph")
"""Kinds of figures that need the whole width."""


def render_report(report: Report, written: datetime) -> str:
    """The whole page.

    Args:
        report: what it says.
        written: the time that stands in its foot.
    """
    scripts = [assets.read(name) for name in assets.SCRIPTS]
    styles = [assets.read(name) for name in STYLES]
    page = _environment().get_template("report.html")
    return page.render(
        report=report,
        written=written,
        version=__version__,
        policy=_policy(scripts, styles),
        scripts=[Markup(script) for script in scripts],
        styles=[Markup(style) for style in styles],
    )


def _environment() -> Environment:
    environment = templates("kag.report")
    environment.filters |= {
        "figure_json": lambda figure: json.dumps(as_json(thinned(figure)), separators=(",", ":"), allow_nan=False),
        "markdown": markdown,
        "with_code": with_code,
        "measured": lambda result: measured(result.metric, result.value),
        "interval": interval,
        "fact": fact,
        "digest": digest,
        "facts": facts,
        "details": details,
        "results_table": results_table,
        "evaluations_tables": evaluations_tables,
        "wide": lambda figure: figure.kind in _WIDE,
    }
    return environment


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Only these scripts and styles run; nothing is loaded from anywhere."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {' '.join(map(_hash, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
