"""Figures of a search that a page alone has: on paper there is nothing to point at, and no run to open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from kag.report.figure import Axis


@dataclass(frozen=True)
class Tried:
    """A trial as a dot or a bar of a page that leads to its run."""

    label: str
    """What it is called."""
    x: float
    y: float
    state: str
    """A word of `TrialState`."""
    told: str
    """What is said of it beside its name."""


@dataclass(frozen=True)
class Slice:
    """One parameter against the objective, a dot a trial."""

    kind: ClassVar[Literal["slice"]] = "slice"
    name: str
    title: str
    axis_x: Axis
    y_label: str
    trials: tuple[Tried, ...]


@dataclass(frozen=True)
class Stint:
    """An attempt at a trial on the time axis, in seconds since the epoch."""

    label: str
    """Of the trial."""
    row: int
    """Place among the agents."""
    start: float
    end: float
    state: str
    told: str


@dataclass(frozen=True)
class Timeline:
    """Which agent ran what when; where nothing stands in the row of one that was there, it idled."""

    kind: ClassVar[Literal["timeline"]] = "timeline"
    name: str
    title: str
    agents: tuple[str, ...]
    there: tuple[tuple[float, float], ...]
    """First and last sign of life of each, in seconds since the epoch."""
    stints: tuple[Stint, ...]
    notes: tuple[str, ...] = ()


OnPage = Slice | Timeline
