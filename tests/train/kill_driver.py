"""Kills runs with -9 at random moments, resumes each to its end, and prints what came of it as JSON.

Usage: python kill_driver.py SPEC FOLDER KILLS SEED

Torch, Lightning and kag are imported once; every run is a forked child, so that a kill costs no second import. The
child says through a pipe what it begins to do. A kill comes a random time after a randomly chosen one of these words,
so that kills are spread over the whole run however busy the machine is.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
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
from kag.view.words import find_run

KILLED_RESUMES = 0.4
"""Share of the resumes that are killed as well."""

Say = Callable[[str, int], None]


class Kill(NamedTuple):
    """When a child dies: so many seconds after the word of this number."""

    word: int
    seconds: float


class Ended(NamedTuple):
    """How a child ended, and what it said on the way: phase, epoch, and when."""

    killed: bool
    words: list[tuple[str, int, float]]


def announce(say: Say) -> None:
    """Let the phases of a run say when they begin."""

    def wrap(owner: Any, name: str, phase: str, epoch: Callable[..., int]) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **options: Any) -> Any:
            say(phase, epoch(*args))
            return inner(*args, **options)

        setattr(owner, name, outer)

    wrap(fit_module, "read_sites", "opening", lambda *_: -1)
    wrap(Job, "rehearse", "rehearsing", lambda *_: -1)
    wrap(Job, "on_train_epoch_start", "training", lambda job: job.current_epoch)
    wrap(Job, "on_validation_epoch_start", "validating", lambda job: job.current_epoch)
    wrap(EpochRecorder, "on_train_epoch_end", "recording", lambda recorder, trainer, job: job.current_epoch)
    wrap(fit_module, "deliver", "delivering", lambda task, *_: task.spec.last_epoch + 1)


def run_child(work: Callable[[], Any], log: Path, kill: Kill | None = None) -> Ended:
    """Do the work in a child and kill it, unless it has ended by then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            announce(lambda phase, epoch: _write(writer, f"{phase} {epoch}\n"))
            work()
            code = 0
        finally:
            log.write_text(traceback.format_exc())
            os._exit(code)
    os.close(writer)
    words: list[tuple[str, int, float]] = []
    with os.fdopen(reader) as lines:
        for phase, epoch in map(str.split, lines):
            words.append((phase, int(epoch), time.monotonic()))
            if kill is not None and len(words) == kill.word + 1:
                time.sleep(kill.seconds)
                os.kill(child, signal.SIGKILL)  # not reaped yet, so the number is still the child's
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status):
        raise SystemExit(f"a child failed:\n{log.read_text()}")
    return Ended(os.WIFSIGNALED(status), words)


def _write(writer: int, line: str) -> None:
    os.write(writer, line.encode())


def begin(spec: RunSpec, runs: Path, resume: RunFolder | None = None) -> RunRecord:
    """Train, from the start or from where a killed run stood."""
    return fit_module.fit(spec, runs=runs, resume=resume, console=RunConsole(quiet=True))


def what_is_left(spec: RunSpec, runs: Path) -> Callable[[], Any] | None:
    """What is left to do of the run in a folder: to begin it, to resume it, or nothing."""
    folder = resumable(runs, spec.name)
    if folder is not None and folder.read_record().status.done:
        return None
    return partial(begin, spec, runs, folder)


def resumable(runs: Path, name: str) -> RunFolder | None:
    """The run that has begun; one that was killed before its first record is none."""
    try:
        folder = find_run(runs, name)
        folder.read_record()
    except RecordError:
        return None
    return folder


def whole_run(spec: RunSpec, runs: Path) -> dict[str, Any]:
    """Everything of an ended run that must not depend on kills."""
    folder = find_run(runs, spec.name)
    record: RunRecord = folder.read_record()
    return {
        "history": [{k: v for k, v in row.items() if k != names.SAMPLES_PER_SECOND} for row in folder.history()],
        "results": [result.model_dump(mode="json") for result in record.results],
        "checkpoints": {name: one.model_dump(mode="json") for name, one in record.checkpoints.items()},
        "files": sorted(str(path.relative_to(folder.path)) for path in folder.checkpoints.rglob("*.*t")),
        "ended": [
            record.status,
            record.epochs_trained,
            record.best_epoch,
            record.found and record.found.averaged_epochs,
        ],
    }


def killed_and_resumed(spec: RunSpec, runs: Path, log: Path, kills: Iterator[Kill], draw: random.Random) -> list[Any]:
    """Kill a run, and some of its resumes, until it has ended; where each kill hit."""
    while not (ended := run_child(partial(begin, spec, runs), log, next(kills))).killed:
        shutil.rmtree(runs)  # the kill came too late
    hits = [ended.words[-1][:2]]
    while (work := what_is_left(spec, runs)) is not None:
        ended = run_child(work, log, next(kills) if draw.random() < KILLED_RESUMES else None)
        hits += [ended.words[-1][:2]] if ended.killed else []
    return hits


def moments(words: list[tuple[str, int, float]], end: float, draw: random.Random, low: float) -> Iterator[Kill]:
    """Random moments of a run, the first of them not before the share `low` of its words."""
    times = [when for _, _, when in words] + [end]
    while True:
        word = int(len(words) * low)
        yield Kill(word, draw.uniform(0.0, times[word + 1] - times[word]))
        low = draw.random()


def main(spec_file: Path, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    spec, draw, log = load_spec(spec_file), random.Random(seed), folder / "child.log"
    run_child(partial(begin, spec, folder / "first"), log)  # slower than all that follow
    words = run_child(partial(begin, spec, folder / "whole"), log).words
    end, reference = time.monotonic(), whole_run(spec, folder / "whole")
    cases: list[dict[str, Any]] = []
    for number in range(kills):
        # The first kill of each run falls into another part of it: random moments that do not crowd.
        at = moments(words, end, draw, (number + draw.random()) / kills)
        hits = killed_and_resumed(spec, folder / f"killed_{number}", log, at, draw)
        found = whole_run(spec, folder / f"killed_{number}")
        differing = [key for key in reference if found[key] != reference[key]]
        cases.append({"hits": hits, "differing": differing})
    return {"seconds_of_a_run": end - words[0][2], "cases": cases, "reference": reference["ended"]}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
