"""Two processes train a list of specs each, with shared prefixes; the parent kills one of them after some steps.

Used by test_sharing_killed.py. Torch and Lightning are imported once; children are forked. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from kag.forks import sharing
from kag.forks.sharing import ShareOptions
from kag.forks.states import SharedStates
from kag.spec import RunSpec, build_spec
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from tests.train.conftest import TINY


def specs(data: str) -> list[RunSpec]:
    base = {"data.file": data, "epochs": 6, "swa.anneal_epochs": 1}
    return [
        build_spec(TINY, {**base, "swa.start": start, "swa.window": window}) for start in (2, 3) for window in (1, 2)
    ]


def train_all(data: str, runs: Path, share: Path, first: int, tell: int) -> None:
    """A child's life: its half of the specs. It tells of every batch and of every state that it stores or takes."""

    def telling(function: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            os.write(tell, b".")
            return function(*arguments)

        return told

    Job.on_train_batch_start = telling(Job.on_train_batch_start)  # type: ignore[method-assign]
    SharedStates.put = telling(SharedStates.put)  # type: ignore[method-assign]
    SharedStates.give = telling(SharedStates.give)  # type: ignore[method-assign]
    for spec in specs(data)[first::2]:
        fit(spec, runs=runs, share=ShareOptions(share, part_at=(2, 3)), console=RunConsole(quiet=True))


def start(data: str, runs: Path, share: Path, first: int) -> tuple[int, int]:
    """Process id of a child, and the end of the pipe on which it tells what it does."""
    listen, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(listen)
        train_all(data, runs, share, first, tell)
        os._exit(0)
    os.close(tell)
    return pid, listen


def follow(pid: int, listen: int, steps: int | None) -> int:
    """Let a child do so many steps and kill it, or let it end; returns how it ended."""
    seen = 0
    while os.read(listen, 1):
        seen += 1
        if seen == steps:
            os.kill(pid, signal.SIGKILL)
    os.close(listen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def round_of(data: str, folder: Path, steps: int) -> dict[str, object]:
    """One pair of processes: the first is killed after some steps, the other must finish; the first starts again."""
    share = folder / "share"
    children = [start(data, folder / name, share, number) for number, name in enumerate(("first", "second"))]
    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(follow, *zip(*children, strict=True), (steps, None)))
    again = follow(*start(data, folder / "again", share, 0), None)
    return {"ends": ends, "again": again}


def main() -> None:
    """Train every spec alone, then all rounds."""
    data, folder, moments = sys.argv[1], Path(sys.argv[2]), map(int, sys.argv[3:])
    torch.set_num_threads(1)
    sharing.POLL = 0.02  # who waits for an epoch of this size does not wait long
    for spec in specs(data):
        fit(spec, runs=folder / "alone", console=RunConsole(quiet=True))
    print(json.dumps([round_of(data, folder / str(number), steps) for number, steps in enumerate(moments)]))


if __name__ == "__main__":
    main()
