"""Kills runs at named moments, goes on with each to its end, and prints what came of it as JSON.

Usage: python kill_driver.py SPEC DISK KILLED REFUSED FULL

So many runs are killed, so many resumes are refused beside a live run, and so many runs fill DISK, where a small file
system is mounted that this process and its children alone see. All else lies beside SPEC.

Torch, Lightning and kag are imported once; every run is a forked child, so that a kill costs no second import. A child
counts its moments (a phase begins; right before and right after each time that something reaches the disk) and meets
its fate at one of them: it kills itself, or it fills the disk. Which one is drawn, never timed.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import random
import shutil
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import torch

import kag.train.fit as fit_module
from kag import names
from kag.errors import KagError, RecordError
from kag.spec import RunSpec, load_spec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord
from kag.train.console import RunConsole
from kag.train.job import Job
from kag.train.recorder import EpochRecorder
from kag.train.writer import StateWriter
from kag.view.words import find_run
from kag.weights.checkpoint import read_checkpoint

PHASES = {
    "opening": 8, "writing": 24, "resuming": 8, "rehearsing": 5, "training": 6, "validating": 2, "recording": 4,
    "delivering": 12,
}  # fmt: skip
"""Phases of a run, and among how many moments of each one is drawn. States are written beside training."""

CHAIN = (
    "opening", "rehearsing", "writing", "training", "resuming", "validating", "writing", "recording", "delivering",
    "resuming", "delivering",
)  # fmt: skip
"""Where a run, and its resumes, are killed one after another."""
SMALL = 1500
"""KiB of a disk on which one run of the driver's spec fits."""
OWN_USERS, OWN_MOUNTS = 0x10000000, 0x00020000
"""CLONE_NEWUSER, CLONE_NEWNS."""
FILLER = "filler"
IDLE = threading.Event()
"""Set while no state is being written."""
UNEXPECTED = 99
"""Exit code of a child that an error ended which kag does not know."""

Meet = Callable[[str, int, str], None]
At = tuple[str, int]
"""A moment of a child: so many of its phase come before it."""


class Ended(NamedTuple):
    """How a child ended: its exit code, negative after a signal, and the moment at which its fate was met."""

    code: int
    fated: tuple[str, int, str] | None


class Watch:
    """Counts a child's moments: the phase, its epoch, and what is about to happen.

    Training and the writing of states are each in a phase of their own; no other thread has one.
    """

    def __init__(self, meet: Meet) -> None:
        self._meet = meet
        self._now = threading.local()
        self._enter("opening", -1)
        IDLE.set()

    def _enter(self, phase: str, epoch: int) -> None:
        self._now.phase, self._now.epoch = phase, epoch

    def _moment(self, what: str) -> None:
        if hasattr(self._now, "phase"):
            self._meet(self._now.phase, self._now.epoch, what)

    def install(self) -> None:
        """Let phases, and what reaches the disk, say that they begin."""
        self._wrap(fit_module, "read_inputs", "opening", lambda *_: -1)
        self._wrap(RunFolder, "sweep_up", "resuming", lambda *_: -1)
        self._wrap(Job, "rehearse", "rehearsing", lambda *_: -1)
        self._wrap(Job, "training_step", "training", lambda job, *_: job.current_epoch)
        self._wrap(Job, "on_validation_epoch_start", "validating", lambda job: job.current_epoch)
        self._wrap(EpochRecorder, "on_train_epoch_end", "recording", lambda recorder, trainer, job: job.current_epoch)
        self._wrap(fit_module, "deliver", "delivering", lambda task, *_: task.spec.last_epoch + 1)
        for name in ("replace", "fsync", "mkdir"):
            self._wrap(os, name, None)
        self._wrap_writer()

    def _wrap_writer(self) -> None:
        start = StateWriter.start

        def started(writer: StateWriter, write: Callable[[], None]) -> None:
            epoch = self._now.epoch

            def work() -> None:
                self._enter("writing", epoch)
                try:
                    self._moment("before writing")
                    write()
                finally:
                    IDLE.set()

            writer.wait()
            IDLE.clear()
            start(writer, work)

        StateWriter.start = started  # type: ignore[method-assign]

    def _wrap(self, owner: Any, name: str, phase: str | None, epoch: Callable[..., int] | None = None) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **options: Any) -> Any:
            if epoch is not None:
                self._enter(phase or "", epoch(*args))
            self._moment(f"before {name}")
            done = inner(*args, **options)
            if epoch is None:
                self._moment(f"after {name}")
            return done

        setattr(owner, name, outer)


def run_child(
    work: Callable[[], Any], log: Path, at: At | None = None, fate: Callable[[], None] | None = None
) -> Ended:
    """Do the work in a child, whose fate is met at a moment."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(_lived(work, log, writer, at, fate))
    os.close(writer)
    with os.fdopen(reader) as lines:
        moments = [(phase, int(epoch), what) for phase, epoch, what in (line.rstrip("\n").split(",") for line in lines)]
    phase, number = at or ("", 0)
    fated = [one for one in moments if one[0] == phase][number : number + 1]
    return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), next(iter(fated), None))


def _lived(work: Callable[[], Any], log: Path, writer: int, at: At | None, fate: Callable[[], None] | None) -> int:
    met: Counter[str] = Counter()

    def meet(phase: str, epoch: int, what: str) -> None:
        os.write(writer, f"{phase},{epoch},{what}\n".encode())
        if (phase, met[phase]) == at and fate is not None:
            fate()
        met[phase] += 1

    Watch(meet).install()
    code = UNEXPECTED
    try:
        work()
        code = 0
    except KagError as error:
        log.write_text(str(error))
        code = error.exit_code
    finally:
        if code == UNEXPECTED:
            log.write_text(traceback.format_exc())
            os._exit(code)
    return code


def moment(phase: str, draw: random.Random) -> At:
    """A moment of a phase."""
    return phase, draw.randrange(PHASES[phase])


def die() -> None:
    """`kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill(disk: Path) -> None:
    """Leave no block of a file system free."""
    with (disk / FILLER).open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass


def begin(spec: RunSpec, runs: Path, resume: RunFolder | None = None, accept: tuple[str, ...] = ()) -> RunRecord:
    """Train, from the start or from where a killed run stood."""
    return fit_module.fit(spec, runs=runs, resume=resume, accept=accept, console=RunConsole(quiet=True))


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
        "epochs": [read_checkpoint(path).weights_digest for path in folder.snapshots().values()],
        "files": sorted(str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if is_kept(path)),
        "ended": [
            record.status,
            record.epochs_trained,
            record.best_epoch,
            record.found and record.found.averaged_epochs,
        ],
    }


def is_kept(path: Path) -> bool:
    """Whether a path is a file of a run; of what says who owns something, whoever comes next takes that of the dead."""
    return path.is_file() and not path.name.startswith(".owner")


def differing(spec: RunSpec, runs: Path, reference: dict[str, Any]) -> list[str]:
    """In what an ended run is not the uninterrupted one."""
    found = whole_run(spec, runs)
    return [key for key in reference if found[key] != reference[key]]


def to_its_end(spec: RunSpec, runs: Path, log: Path) -> None:
    """Go on with a run, undisturbed."""
    while (work := what_is_left(spec, runs)) is not None:
        if run_child(work, log).code:
            raise SystemExit(f"a child failed:\n{log.read_text()}")


def kill(spec: RunSpec, folder: Path, number: int, draw: random.Random, reference: dict[str, Any]) -> Iterator[Any]:
    """So many kills: each run, and each of its resumes, is killed until one gets through."""
    kills, run = 0, 0
    while kills < number:
        runs, hits, run, phases = folder / f"killed_{run}", [], run + 1, iter(CHAIN)
        while kills < number and (phase := next(phases, None)) and (work := what_is_left(spec, runs)) is not None:
            ended = run_child(work, folder / "child.log", moment(phase, draw), die)
            if ended.code not in (0, -signal.SIGKILL):
                raise SystemExit(f"a child failed:\n{(folder / 'child.log').read_text()}")
            if ended.code:
                hits.append(ended.fated)
                kills += 1
        to_its_end(spec, runs, folder / "child.log")
        yield {"hits": hits, "differing": differing(spec, runs, reference)}


def refuse(spec: RunSpec, folder: Path, number: int, draw: random.Random, reference: dict[str, Any]) -> Iterator[Any]:
    """Resumes beside a live run, under another spec: they are refused, or killed on the way there."""
    runs, log, (asks, told), (waits, lets) = folder / "live", folder / "child.log", os.pipe(), os.pipe()

    def pause() -> None:
        IDLE.wait()
        os.write(told, b".")
        os.read(waits, 1)

    child = os.fork()
    if child == 0:
        sink = os.open(os.devnull, os.O_WRONLY)
        os._exit(_lived(partial(begin, spec, runs), folder / "live.log", sink, moment("training", draw), pause))
    os.read(asks, 1)
    live, other = find_run(runs, spec.name), spec.model_copy(update={"epochs": 9})
    before, found = contents(live), []
    for refused in range(number):
        at = moment("opening", draw) if refused % 2 else ("opening", 0)
        ended = run_child(partial(begin, other, runs, live, ("epochs",)), log, at, die)
        found.append({"hits": [("refused", *at)], "code": ended.code, "said": _said(log, ended)})
        found[-1]["differing"] = [] if contents(live) == before else ["the live run"]
    os.write(lets, b".")
    if os.waitpid(child, 0)[1]:
        raise SystemExit(f"the live run failed:\n{(folder / 'live.log').read_text()}")
    found[-1]["differing"] += differing(spec, runs, reference)
    yield from found


def _said(log: Path, ended: Ended) -> str:
    return log.read_text() if ended.code > 0 else ""


def contents(folder: RunFolder) -> dict[str, bytes]:
    """Every file of a run, but that of its signs of life."""
    files = (path for path in sorted(folder.path.rglob("*")) if path.is_file() and path != folder.owner_file)
    return {str(path): path.read_bytes() for path in files}


def full(spec: RunSpec, disk: Path, number: int, draw: random.Random, reference: dict[str, Any]) -> Iterator[Any]:
    """Runs on a small disk that is full from some moment on, and go on when there is room again.

    Args:
        disk: where a small file system is mounted.
    """
    log, runs, phases, cases = disk.parent / "child.log", disk / "runs", cycle(PHASES), 0
    while cases < number:
        ended = run_child(partial(begin, spec, runs), log, moment(next(phases), draw), partial(fill, disk))
        said = _said(log, ended)
        (disk / FILLER).unlink(missing_ok=True)
        folder = resumable(runs, spec.name)
        left = sorted(path.name for path in disk.rglob("*.tmp"))
        status = folder.read_record().status if folder else None
        to_its_end(spec, runs, log)
        if ended.code:
            case = {"hits": [ended.fated], "code": ended.code, "said": said, "left": left}
            yield {**case, "status": status, "differing": differing(spec, runs, reference)}
            cases += 1
        shutil.rmtree(runs)


def mount(disk: Path) -> None:
    """Mount a small disk in a name space of one's own: it needs no rights, and is gone with the process.

    Raises:
        OSError: the system refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    ids = {"uid_map": f"0 {os.getuid()} 1", "setgroups": "deny", "gid_map": f"0 {os.getgid()} 1"}
    if libc.unshare(OWN_USERS | OWN_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in ids.items():
        Path("/proc/self", name).write_text(text)
    if libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, f"size={SMALL}k".encode()):
        raise OSError(ctypes.get_errno(), "mount", str(disk))


def main(spec_file: Path, disk: Path, *numbers: int) -> dict[str, Any]:
    """Train the run undisturbed, then disturb it."""
    mount(disk)
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    spec, draw, folder = load_spec(spec_file), random.Random(1), spec_file.parent
    to_its_end(spec, folder / "whole", folder / "child.log")
    reference = whole_run(spec, folder / "whole")
    kinds = zip((kill, refuse, full), (folder, folder, disk), numbers, strict=True)
    found = {kind.__name__: list(kind(spec, place, number, draw, reference)) for kind, place, number in kinds}
    return {"reference": reference["ended"], **found}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))))
