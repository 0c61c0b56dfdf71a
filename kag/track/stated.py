"""What a person stated of a run in a hand-kept log, and what was established about that row later."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kag.track.value import Value


class Course(Value):
    """How a metric went (of kag's own runs val AUPRC), and where the gate ended."""

    best: float | None = None
    """By the goal of the metric; None where nobody says which of two values is better."""
    best_epoch: int | None = None
    last: float | None = None
    last_epoch: int | None = None
    unit: Literal["epoch", "step"] = "epoch"
    """What `best_epoch` and `last_epoch` count: a program that logs no epochs has W&B's steps."""
    alpha: float | None = None
    """Mean alpha over the last third, or as a hand-kept log states it."""


class Tested(Value):
    """Whose weights a test number was measured on."""

    run: str
    checkpoint: str | None = None


class Stated(Value):
    """What a person stated: a row of a hand-kept log, and what was established about it later."""

    row: int | None = None
    """Place in the log, counted from 1."""
    start_known_to: Literal["second", "day"] | None = None
    cells: dict[str, str] = Field(default_factory=dict)
    """The row's cells by column, character for character."""
    as_written: str | None = None
    """The row's line, where the cells alone do not tell which pipes were escaped."""
    files_touched: tuple[str, ...] = ()
    course: Course = Course()
    observed: dict[Literal["start", "end"], dict[str, float]] = Field(default_factory=dict)
    """Metric key -> value at the start or the end of the run."""
    caveats: tuple[str, ...] = ()
    tested: Tested | None = None
    restored: dict[str, float] = Field(default_factory=dict)
    """Setting -> value that a resume brought back out of the checkpoint."""
    averaged_epochs: int | None = None
    parent_by: str | None = None
    """How the parent was told, where the log names none."""
