"""Work that is done run by run, shared out to several processes where it is worth them.

They are copies of one that has loaded what the work needs, and nothing else of this one: it may have threads.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, resource_tracker
from typing import Protocol, TypeVar

from kag.errors import KagError

MOST = 8
"""Processes at once: each has kag in memory, and what they find goes through this one."""

CHUNK = 100
"""Items that a process takes at a time, fewer where there are few."""

CHUNKS = 4
"""That each process is to have at least, so that they end together."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class Mapped(Protocol):
    """As `map` over one sequence: what a function makes of each item, in order."""

    def __call__(self, function: Callable[[Given], Made], items: Sequence[Given], /) -> Iterator[Made]: ...


def processes_of(worth: int) -> int:
    """How many processes do work that is worth so many."""
    return min(worth, MOST, len(os.sched_getaffinity(0)))


def make_ready(needs: Sequence[str]) -> None:
    """Have the process of which copies are made load what they need, while this one does something else."""
    forkserver.set_forkserver_preload([*needs])
    resource_tracker.ensure_running()  # as it starts it lets SIGINT through again, whatever was blocked
    with _uninterrupted():
        forkserver.ensure_running()


@contextmanager
def sharing(worth: int, needs: Sequence[str]) -> Iterator[Mapped]:
    """`map` by several processes, which end with the block: at its end, at an error and at Ctrl-C alike.

    Functions, items and what is made of them go from process to process. An error that a function raises is raised
    here.

    Args:
        worth: how many processes the work is worth; below two it is done here.
        needs: modules that it needs, which are loaded once for all processes.

    Raises:
        KagError: a process was killed.
    """
    processes = processes_of(worth)
    if processes < 2:
        yield map
        return
    make_ready(needs)
    pool = ProcessPoolExecutor(processes, mp_context=get_context("forkserver"), initializer=gc.disable)

    def mapped(function: Callable[[Given], Made], items: Sequence[Given], /) -> Iterator[Made]:
        chunk = max(1, min(CHUNK, len(items) // (processes * CHUNKS)))
        with _uninterrupted():
            made = pool.map(function, items, chunksize=chunk)
        yield from made

    try:
        yield mapped
    except BrokenProcessPool as error:
        raise KagError(
            "a process that read runs was killed", remedy="see whether the system ran out of memory; try again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Processes that start in the block never hear of Ctrl-C, which a terminal tells them too: this one ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
