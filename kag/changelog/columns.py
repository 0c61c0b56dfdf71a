"""The columns of the table: date and run, key changes, files, a column a metric; notes stand in the last one."""

from __future__ import annotations

from collections.abc import Sequence

from kag.text import printable
from kag.track.markdown import COLUMNS
from kag.view.metrics import OWN, Metric

FIRST = COLUMNS[:3]
"""What every table begins with."""


def headings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """What heads each column; of kag's own metrics the columns of the hand-kept log."""
    named = [printable(metric.heading) for metric in metrics]
    return (*FIRST, *named[:-1], " / ".join([*named[-1:], "Notes"]))


def legend(metrics: Sequence[Metric]) -> str:
    """Which metrics count, which value of each stands for a run, and why they were taken, on one line.

    Empty for kag's own runs, whose two numbers need no word; names stand between back-ticks.
    """
    if tuple(metrics) == OWN:
        return ""
    told = [f"`{printable(metric.name)}`, {metric.of} ({metric.why})" for metric in metrics]
    return f"Metrics that count: {'; '.join(told)}." if told else "No run has logged a metric."
