"""Kills runs with -9 at random moments, resumes each to its end, and prints what came of it as JSON.

Usage: python kill_driver.py SPEC FOLDER KILLS SEED

Torch, Lightning and kag are imported once; every run is a forked child, so that a kill costs no second import. The
child says in shared memory what it is doing, and the parent reads there what a kill has interrupted.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

import kag.train.fit as fit_module
from kag import names
from kag.errors import RecordError
from kag.spec import RunSpec, load_spec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.job import Job
from kag.train.recorder import EpochRecorder

KILLED_RESUMES = 0.4
"""Share of the resumes that are killed as well."""


class Position:
    """What a child is doing: phase and epoch, in memory that parent and child share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 64)

    def set(self, phase: str, epoch: int) -> None:
        self._memory[:] = f"{phase} {epoch}".encode().ljust(64)

    def get(self) -> tuple[str, int]:
        phase, epoch = self._memory[:].decode().split()
        return phase, int(epoch)


class Ended(NamedTuple):
    """How a child ended: by the kill, and where it then was."""

    killed: bool
    phase: str
    epoch: int


def announce(position: Position) -> None:
    """Let the phases of a run say when they begin."""

    def wrap(owner: Any, name: str, phase: str, epoch: Callable[..., int]) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **options: Any) -> Any:
            position.set(phase, epoch(*args))
            return inner(*args, **options)

        setattr(owner, name, outer)

    wrap(fit_module, "rehearse", "rehearsing", lambda *_: -1)
    wrap(Job, "on_train_epoch_start", "training", lambda job: job.current_epoch)
    wrap(Job, "on_validation_epoch_start", "validating", lambda job: job.current_epoch)
    wrap(EpochRecorder, "on_train_epoch_end", "recording", lambda recorder, trainer, job: job.current_epoch)
    wrap(fit_module, "deliver", "delivering", lambda spec, *_: spec.last_epoch + 1)


def run_child(position: Position, work: Callable[[], Any], delay: float | None, log: Path) -> Ended:
    """Do the work in a child and kill it after `delay` seconds, unless it has ended by then."""
    position.set("opening", -1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  # a child must not run on in the code of its parent
            log.write_text(traceback.format_exc())
        finally:
            os._exit(code)
    timer = threading.Timer(delay, os.kill, (child, signal.SIGKILL)) if delay is not None else None
    if timer is not None:
        timer.start()
    # Without reaping: the number must stay the child's until the timer can no longer use it.
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    if timer is not None:
        timer.cancel()
        timer.join()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return Ended(True, *position.get())
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"a child failed:\n{log.read_text()}")
    return Ended(False, *position.get())


def one_step(spec: RunSpec, runs: Path) -> Callable[[], Any] | None:
    """What is left to do of the run in a folder: to begin it, to resume it, or nothing."""
    folder = resumable(runs, spec.name)
    if folder is not None and folder.read_record().status.done:
        return None
    return lambda: fit_module.fit(spec, runs=runs, resume=folder, console=RunConsole(quiet=True))


def resumable(runs: Path, name: str) -> RunFolder | None:
    """The run that has begun; one that was killed before its first record is none."""
    try:
        folder = RunFolder.find(runs, name)
        folder.read_record()
    except RecordError:
        return None
    return folder


def whole_run(spec: RunSpec, runs: Path) -> dict[str, Any]:
    """Everything of an ended run that must not depend on kills."""
    folder = RunFolder.find(runs, spec.name)
    record: RunRecord = folder.read_record()
    return {
        "history": [{k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND} for row in folder.history()],
        "results": [result.model_dump(mode="json") for result in record.results],
        "checkpoints": {name: one.model_dump(mode="json") for name, one in record.checkpoints.items()},
        "files": sorted(str(path.relative_to(folder.path)) for path in folder.checkpoints.rglob("*.*t")),
        "ended": [record.status, record.epochs_trained, record.best_epoch, record.facts["averaged_epochs"]],
    }


def main(spec_file: Path, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    spec = load_spec(spec_file)
    draw, position, log = random.Random(seed), Position(), folder / "child.log"
    announce(position)
    begun = time.monotonic()
    work = one_step(spec, folder / "whole")
    assert work is not None
    run_child(position, work, None, log)
    duration = time.monotonic() - begun
    reference = whole_run(spec, folder / "whole")
    cases: list[dict[str, Any]] = []
    for number in range(kills):
        runs, hits = folder / f"killed_{number}", []
        # One kill in each of equal parts of the run: random moments that do not crowd.
        delay: float | None = max(0.1, duration * (number + draw.random()) / kills)
        while (work := one_step(spec, runs)) is not None:
            ended = run_child(position, work, delay, log)
            if ended.killed:
                hits.append([ended.phase, ended.epoch])
            delay = draw.uniform(0.1, duration) if draw.random() < KILLED_RESUMES else None
        found = whole_run(spec, runs)
        differing = [key for key in reference if found[key] != reference[key]]
        cases.append({"hits": hits, "differing": differing})
    return {"seconds_of_a_run": duration, "cases": cases, "reference": reference["ended"]}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
