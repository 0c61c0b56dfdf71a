"""`Foremost`: the logits of the best of all weights that are tried, to say what choosing among them is worth.

Logits of hundreds of candidates on a large val split do not fit into memory. Those of the best are enough: one far
below them would be chosen in no resample of the proteins.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kag.compare.selection import LOOKED_AT


class Logits(NamedTuple):
    """What a candidate scores on val."""

    value: float
    """AUPRC."""
    number: int
    """Of the candidate, in the order in which they came."""
    logit_N: NDArray[np.float32]


class Foremost:
    """The candidates of one choice, as they come.

    Args:
        most: how many of them are kept.
    """

    def __init__(self, most: int = LOOKED_AT) -> None:
        self.values: list[float] = []
        """AUPRC of all that came."""
        self._most = most
        self._heap: list[Logits] = []

    def add(self, value: float, logit_N: NDArray[np.float32]) -> None:
        """Take a candidate in; the worst is dropped where there are too many."""
        heapq.heappush(self._heap, Logits(value, len(self.values), logit_N))
        self.values.append(value)
        if len(self._heap) > self._most:
            heapq.heappop(self._heap)

    def __iter__(self) -> Iterator[Logits]:
        """Those that are kept, best first."""
        return iter(sorted(self._heap, key=lambda one: (-one.value, one.number)))
