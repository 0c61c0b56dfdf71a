"""The projects that were looked at last, with what is held of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from kag.server.context import Patience
from kag.server.page.held import Project
from kag.server.page.records import Diagnoses

PROJECTS = 8
"""Projects that are held."""


@dataclass(frozen=True)
class Watched:
    """One project."""

    project: Project
    diagnoses: Diagnoses = field(default_factory=Diagnoses)


class Projects:
    """The projects that were looked at last.

    Args:
        patience: when a silent run counts as crashed.
    """

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._kept: OrderedDict[int, Watched] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, number: int) -> Watched:
        """The project of a row."""
        with self._lock:
            watched = self._kept.pop(number, None) or Watched(Project(number, self.patience))
            self._kept[number] = watched
            while len(self._kept) > PROJECTS:
                self._kept.popitem(last=False)
            return watched
