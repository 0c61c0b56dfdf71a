"""`Interval`: bounds of a number that was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """Bounds between which the middle 95 % of the resamples lie."""

    low: float
    high: float
