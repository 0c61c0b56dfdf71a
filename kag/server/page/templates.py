"""The templates, and how they write numbers, times and texts. Every text is escaped unless it is made here."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from kag.report.assets import SCRIPTS
from kag.report.markup import templates, with_code
from kag.server.page.assets import Assets
from kag.server.page.responses import script_data
from kag.text import three_decimals

DIGITS = 5
"""Significant digits of a number of unknown kind."""

SHOWN_TEXT = 160
"""Letters of a value in a table."""

_UNITS = ("B", "kB", "MB", "GB", "TB")


def environment(assets: Assets) -> Environment:
    """The templates of the page."""
    made = templates("kag.server.page")
    made.filters |= {
        "number": number,
        "decimal": decimal,
        "value": value_text,
        "metric": three_decimals,
        "moment": moment,
        "duration": duration,
        "size": size,
        "code": with_code,
        "dotted": dotted,
        "script_data": lambda value: Markup(script_data(value)),
        "segment": segment,
    }
    made.globals |= {"static": assets.address, "chart_scripts": SCRIPTS}
    return made


def segment(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def path_of(*names: str) -> str:
    """The address of a page."""
    return "/" + "/".join(map(segment, names))


def dotted(key: str) -> Markup:
    """A key of the spec; a narrow place breaks it behind its dots."""
    return Markup(".<wbr>").join(key.split("."))


def number(value: float | None) -> str:
    """A number in few letters."""
    if value is None:
        return "–"
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.{DIGITS}g}"


def decimal(value: float | None) -> str:
    """A measured number with four decimals, so that a column of them can be compared by eye."""
    if value is None or not 1e-4 <= abs(value) < 1e4:
        return number(value)
    return f"{value:.4f}"


def value_text(value: Any) -> str:
    """A setting or a summary value in few letters."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    text = str(value)
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]}…"


def moment(seconds: float | datetime | None) -> Markup:
    """A time; a script turns it into the reader's own zone."""
    if seconds is None:
        return Markup("–")
    time = seconds if isinstance(seconds, datetime) else datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(f"{time:%Y-%m-%dT%H:%M:%SZ}", f"{time:%Y-%m-%d %H:%M}")


def duration(seconds: float) -> str:
    """`1 h 05 min`, `3 min 20 s`, `12 s`."""
    whole = max(0, round(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"


def size(count: int) -> str:
    """Bytes in a unit that leaves few digits."""
    amount, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
