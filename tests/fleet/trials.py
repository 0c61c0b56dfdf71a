"""The sweep that agents on every engine are tested with: a program of one parameter, whose trials say what they do."""

from __future__ import annotations

from collections.abc import Sequence

SWEEP = """
program: trial.py
project: {project}
method: grid
metric: {{name: loss, goal: minimize}}
parameters: {{x: {{values: {points}}}}}
"""


def sweep_of(project: str, points: Sequence[int]) -> str:
    """The text of its file, with so many points in a project."""
    return SWEEP.format(project=project, points=list(points))
