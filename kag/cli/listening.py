"""Waiting for whatever comes first: a signal, the end of a child, something to read."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from kag.errors import ENDING


class Listening:
    """Signals that have come. None interrupts what is being done; each ends a wait.

    Args:
        wakes: descriptor that can be read once a signal has come.
    """

    def __init__(self, wakes: int) -> None:
        self.received: list[int] = []
        """Those that ask a process to end, in order."""
        self._wakes = wakes

    def hear(self, number: int, _: FrameType | None) -> None:
        """A signal has come; of a child that has ended, too."""
        if number in ENDING:
            self.received.append(number)

    def wait(self, seconds: float, also: Sequence[int] = ()) -> None:
        """Come back at a signal, at the end of a child, when one of these descriptors can be read, or after so long."""
        select.select([self._wakes, *also], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wakes, 4096):
                pass


@contextmanager
def listening() -> Iterator[Listening]:
    """Listen inside the block; the former handlers come back after it."""
    wakes, woken = os.pipe()
    for end in (wakes, woken):
        os.set_blocking(end, False)
    ears = Listening(wakes)
    waker = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    former = {number: signal.signal(number, ears.hear) for number in (*ENDING, signal.SIGCHLD)}
    try:
        yield ears
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(waker)
        os.close(wakes)
        os.close(woken)
