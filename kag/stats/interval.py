"""`Interval`: bounds of a number that was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Bounds of a number at 95 %."""

    low: float
    high: float
