"""Two processes train a list of specs each, with shared prefixes; the parent kills one of them now and then.

Used by test_sharing_killed.py. Torch and Lightning are imported once; children are forked. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from kag.spec import RunSpec, build_spec
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.sharing import ShareOptions
from tests.train.conftest import TINY


def specs(data: str) -> list[RunSpec]:
    base = {"data.file": data, "epochs": 6, "swa.anneal_epochs": 1}
    return [
        build_spec(TINY, {**base, "swa.start": start, "swa.window": window}) for start in (2, 3) for window in (1, 2)
    ]


def train_all(data: str, runs: Path, share: Path, first: int) -> None:
    """A child's life: its half of the specs."""
    for spec in specs(data)[first::2]:
        fit(spec, runs=runs, share=ShareOptions(share, part_at=(2, 3)), console=RunConsole(quiet=True))


def start(data: str, runs: Path, share: Path, first: int) -> int:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        train_all(data, runs, share, first)
        os._exit(0)
    return pid


def round_of(data: str, folder: Path, delay: float) -> dict[str, object]:
    """One pair of processes; the first is killed after a delay, the other must finish; then the first starts again."""
    share, runs = folder / "share", [folder / "first", folder / "second"]
    children = [start(data, runs[number], share, number) for number in (0, 1)]
    killer = threading.Timer(delay, os.kill, (children[0], signal.SIGKILL))
    killer.start()
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    killer.cancel()
    again = os.waitstatus_to_exitcode(os.waitpid(start(data, folder / "again", share, 0), 0)[1])
    return {"ends": ends, "again": again}


def main() -> None:
    data, folder, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    began = time.perf_counter()
    for spec in specs(data):
        fit(spec, runs=folder / "alone", console=RunConsole(quiet=True))
    duration = time.perf_counter() - began
    random.seed(11)
    found = [round_of(data, folder / str(number), random.uniform(0.05, duration)) for number in range(rounds)]
    print(json.dumps({"duration": duration, "rounds": found}))


if __name__ == "__main__":
    main()
