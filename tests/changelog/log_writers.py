"""Processes that write a document: for ever, or until they kill themselves in the middle."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

from run_logs import options

from kag.changelog import write
from kag.changelog.table import Choice
from kag.changelog.write import Options, update
from kag.track.atomic import sync_folder, write_atomically
from kag.track.folders import FolderSource

WRITING = (write_atomically.__code__, sync_folder.__code__)


def two_choices(folder: Path) -> list[Options]:
    """What makes two different documents."""
    return [options(folder, choice=Choice(tags=tags)) for tags in ((), ("none",))]


def write_in_turn(runs: Path, file: Path) -> Iterator[None]:
    """One document, then the other, so that there is always something to write."""
    while True:
        for chosen in two_choices(runs.parent):
            update(FolderSource(runs), file, chosen)
            yield


def write_for_ever(runs: Path, file: Path, begun: Event) -> None:
    for _ in write_in_turn(runs, file):
        begun.set()


def die_at_line(runs: Path, file: Path, line: int) -> None:
    """Write until the given line of writing the document, counted from 0, is about to run; there die by SIGKILL."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if frame.f_code not in WRITING:
            return None
        if event == "line":
            if count == line:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
        return trace

    def traced(path: Path, content: str | bytes) -> None:
        sys.settrace(trace)
        try:
            write_atomically(path, content)
        finally:
            sys.settrace(None)

    write.write_atomically = traced
    for _ in write_in_turn(runs, file):
        pass
