"""The highest or lowest result of each project, for the list of projects: read once, and again of what has changed.

It is a value that a run reported, held against no other by a test: so the page does not call it the best.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, select

from kag import names
from kag.number import read_json
from kag.server.tables import runs
from kag.spec.flat import flatten
from kag.track.record import ARCHIVED
from kag.view.metric_names import Goal, by_name, rank
from kag.view.metrics import asked_word
from kag.view.results import measured


class Top(NamedTuple):
    """A result."""

    key: str
    goal: Goal
    value: float
    run: str
    """W&B's id of the run that reported it."""

    @property
    def text(self) -> str:
        """The value as pages write it."""
        return measured(self.key, self.value)

    @property
    def extreme(self) -> str:
        """What it is among the values of the project."""
        return "lowest" if self.goal == "min" else "highest"


Values = Mapping[str, Mapping[str, float]]
"""Id of a run -> its results of which the name tells what is better."""


def top_of(values: Values, asked: str | None = None) -> Top | None:
    """The result that stands for a project, or None.

    Args:
        values: of its runs.
        asked: the metric that a person chose for it, `NAME[:max|:min]`, where any run has it.
    """
    counted = Counter(key for own in values.values() for key in own)
    name, goal, _ = asked_word(asked) if asked else (names.OBJECTIVE, None, None)
    if not counted[name]:
        name, goal = names.OBJECTIVE, None
    if not counted[name]:
        common = [key for key, count in counted.items() if 2 * count >= len(values)] or list(counted)
        name = min(common, key=lambda key: (rank(key), key), default="")
    better = goal or by_name(name)
    if not name or better is None:
        return None
    held = [(own[name], run) for run, own in values.items() if name in own]
    value, run = min(held, key=lambda one: (one[0] if better == "min" else -one[0], one[1]))
    return Top(name, better, value, run)


@dataclass
class _Known:
    """What is known of a project."""

    seq: int = 0
    values: dict[str, dict[str, float]] = field(default_factory=dict)


class TopResults:
    """The results of the projects of a server."""

    def __init__(self) -> None:
        self._projects: dict[int, _Known] = {}
        self._goals: dict[str, Goal | None] = {}
        self._lock = Lock()

    def of(self, connection: Connection, project: RowMapping) -> Top | None:
        """The result of a project as it is now; what has not changed is not read again."""
        with self._lock:
            known = self._projects.get(project["id"], _Known())
            if project["removed"] > known.seq or project["seq"] < known.seq:
                known = _Known()
            if project["seq"] > known.seq:
                known.values.update(self._read(connection, project["id"], known.seq))
                known.seq = project["seq"]
            self._projects[project["id"]] = known
            asked = (project["changelog_metrics"] or "").splitlines()
            return top_of(known.values, asked[0] if asked else None)

    def _read(self, connection: Connection, number: int, since: int) -> dict[str, dict[str, float]]:
        query = select(runs.c.name, runs.c.summary, runs.c.tags).filter_by(project_id=number)
        found = connection.execute(query.where(runs.c.changed > since))
        return {name: {} if ARCHIVED in json.loads(tags) else self._results(text) for name, text, tags in found}

    def _results(self, summary: str) -> dict[str, float]:
        return {
            key: float(value)
            for key, value in flatten(read_json(summary)).items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if self._goal(key) is not None
        }

    def _goal(self, key: str) -> Goal | None:
        if key not in self._goals:
            self._goals[key] = by_name(key)
        return self._goals[key]
