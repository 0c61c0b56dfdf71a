"""How values are written for people."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import timedelta

from kag.track.record import Result, Scalar

MISSING = "–"


def setting(value: Scalar) -> str:
    """A setting as the spec writes it."""
    return value if isinstance(value, str) else json.dumps(value)


def settings(values: Sequence[Scalar]) -> tuple[str, ...]:
    """Settings side by side: six significant digits, or all where fewer would make different ones look alike."""
    brief = tuple(f"{value:g}" if isinstance(value, float) else setting(value) for value in values)
    exact = tuple(map(setting, values))
    return brief if len(set(brief)) == len(set(exact)) else exact


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else MISSING


def metric(value: float) -> str:
    """Four decimals."""
    return f"{value:.4f}" if math.isfinite(value) else MISSING


def evidence(value: Scalar) -> str:
    """A number that a finding rests on."""
    return "unknown" if value is None else number(value) if isinstance(value, float) else setting(value)


def interval(result: Result) -> str:
    """The 95 % interval, or a dash."""
    if result.ci_low is None or result.ci_high is None:
        return MISSING
    return f"{result.ci_low:.3f} to {result.ci_high:.3f}"


def duration(time: timedelta) -> str:
    """`48 s`, `3 min`, `1 h 05 min`, `2 d 03 h`."""
    minutes, seconds = divmod(round(time.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
