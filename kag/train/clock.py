"""`Clock`: how fast an epoch was trained."""

from __future__ import annotations

import time


class Clock:
    """Times the training part of an epoch: what came before a resume, and validation, are not in it."""

    def __init__(self) -> None:
        self.start(points_before=0.0)

    def start(self, *, points_before: float) -> None:
        """Training begins; of its epoch so many points are done."""
        self._points_before, self._started, self._seconds = points_before, time.perf_counter(), 0.0

    def stop(self) -> None:
        """Training is over."""
        self._seconds = time.perf_counter() - self._started

    def rate(self, points: float) -> float:
        """Points per second, of `points` in the whole epoch."""
        return (points - self._points_before) / max(self._seconds, 1e-9)
