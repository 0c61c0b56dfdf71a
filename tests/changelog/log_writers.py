"""Processes that write a document: some times, or until they kill themselves in the middle.

    python log_writers.py RUNS FILE write TIMES    write two different documents in turn
    python log_writers.py RUNS FILE kill ROUNDS    in each round two writers die; print, as JSON, how they ended and the
                                                   digest of the file after each round

A process of its own, with one thread, may fork: a hundred writers cost no more than one start.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import signal
import sys
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from kag.changelog import write
from kag.changelog.table import Choice
from kag.changelog.version import Options
from kag.changelog.write import update
from kag.track.atomic import atomic_path, keep_rights, sync_folder
from kag.track.folders import FolderSource
from kag.track.output import output_path, require_writable, write_output
from tests.changelog.run_logs import options

WRITING = tuple(
    function.__code__
    for function in (
        *(write_output, require_writable, inspect.unwrap(output_path)),
        *(inspect.unwrap(atomic_path), keep_rights, sync_folder),
    )
)
LINES = 34
"""Lines that writing runs through."""


def two_choices(folder: Path) -> list[Options]:
    """What makes two different documents."""
    return [options(folder, choice=Choice(until=until)) for until in (None, date(2025, 10, 1))]


def write_in_turn(runs: Path, file: Path) -> Iterator[None]:
    """One document, then the other, so that there is always something to write."""
    while True:
        for chosen in two_choices(runs.parent):
            update(FolderSource(runs), file, chosen)
            yield


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
            write_output(path, content)
        finally:
            sys.settrace(None)

    write.write_output = traced
    for _ in write_in_turn(runs, file):
        pass


def kill_round(runs: Path, file: Path, number: int) -> dict[str, Any]:
    """Two writers at once, each killed at another line."""
    children = []
    for writer in range(2):
        child = os.fork()
        if child == 0:
            try:
                die_at_line(runs, file, (2 * number + writer) % LINES)
            finally:
                os._exit(1)
        children.append(child)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"ends": ends, "digest": hashlib.sha256(file.read_bytes()).hexdigest()}


def main() -> None:
    runs, file, what, times = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if what == "kill":
        print(json.dumps([kill_round(runs, file, number) for number in range(times)]))
    else:
        for _ in islice(write_in_turn(runs, file), times):
            pass


if __name__ == "__main__":
    main()
