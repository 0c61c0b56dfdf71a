"""Kills `kag train --seeds` at drawn moments, calls it again until it is through, and prints where it was killed.

Usage: python seeds_driver.py SPEC SEEDS

Every call is a forked child, as in `kill_driver`; the runs lie beside SPEC.
"""

from __future__ import annotations

import json
import logging
import random
import signal
import sys
from functools import partial
from pathlib import Path

import torch

from kag.errors import RunFailed
from kag.spec import RunSpec, load_spec
from kag.track.folder import RunFolder
from kag.train.console import RunConsole
from kag.train.seeds import train_seeds
from tests.train.kill_driver import die, run_child

AT = (
    ("opening", 9), ("training", 4), ("recording", 12), ("resuming", 4), ("delivering", 24), ("recording", 20),
)  # fmt: skip
"""Phases in which a call is killed one after another, and among how many moments of each one is drawn."""


def call(spec: RunSpec, seeds: tuple[int, ...], runs: Path) -> None:
    """One call, to its end."""
    troubles = [one.trouble for one in train_seeds(spec, seeds, runs=runs, console=lambda: RunConsole(quiet=True))]
    if any(troubles):
        raise RunFailed(str(troubles))


def main(spec_file: Path, seeds: tuple[int, ...]) -> dict[str, object]:
    """Kill, call again, and let the last call through."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    spec, runs, log, draw = load_spec(spec_file), spec_file.parent / "runs", spec_file.parent / "log", random.Random(2)
    work, hits = partial(call, spec, seeds, runs), []
    for phase, most in AT:
        ended = run_child(work, log, (phase, draw.randrange(most)), die)
        if ended.code not in (0, -signal.SIGKILL):
            raise SystemExit(f"a child failed:\n{log.read_text()}")
        if ended.code:
            hits.append((ended.fated[0] if ended.fated else None, _seed(runs)))
    if run_child(work, log).code:
        raise SystemExit(f"a child failed:\n{log.read_text()}")
    return {"hits": hits}


def _seed(runs: Path) -> object:
    """The seed that a call had come to; the first one before there is a run."""
    return max([3, *(int(str(one.read_record().config["seed"])) for one in RunFolder.all(runs))])


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), tuple(map(int, sys.argv[2].split(","))))))
