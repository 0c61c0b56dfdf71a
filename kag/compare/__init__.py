"""What may be said of runs together, and by how much they differ; as `kag.compare(a, b)`, of two runs of `kag.runs`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kag.compare.comparison import Comparison


class Comparable(Protocol):
    """A run that knows where its scores are, as those of `kag.runs` do."""

    def compared(self, other: Comparable) -> Comparison:
        """This run and another one, this one first."""


class _Room(ModuleType):
    """This package, which Python puts into the place of a function of its name as soon as a module of it is loaded."""

    def __call__(self, before: Comparable, after: Comparable) -> Comparison:
        """Compare two runs of `kag.runs`; see `kag.api`."""
        return before.compared(after)


sys.modules[__name__].__class__ = _Room
