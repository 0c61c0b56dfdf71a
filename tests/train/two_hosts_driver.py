"""Two hosts on one folder, where `flock` is powerless: prints what became of their runs as JSON.

Usage: python -m tests.train.two_hosts_driver DATA FOLDER

A host is a set of namespaces (network, host name, processes, mounts) around a copy of this process, which has loaded
torch once. Nothing is timed: a trainer stops where it is told to, and goes on when it is told to; where a host is to
have been silent for long, the other one takes any silence to be long.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from kag.errors import KagError
from kag.forks.sharing import ShareOptions, Sharing
from kag.spec import RunSpec, build_spec
from kag.track import owner
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.train.console import RunConsole
from kag.train.fit import fit
from kag.train.job import Job
from kag.view.life import silence
from tests.train.conftest import TINY

NAMESPACES = 0x00020000 | 0x04000000 | 0x20000000 | 0x40000000
"""CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWPID, CLONE_NEWNET of <linux/sched.h>."""

MACHINES = ("hA", "hB")
"""Hosts with a kernel of their own, which no namespace gives: its boot id is made up. All others are containers."""

Tell = Callable[[Any], None]
Wait = Callable[[], None]
Work = Callable[[Tell, Wait], None]


class Program:
    """A program on a host: it tells lines, and waits to be told to go on."""

    def __init__(self, host: str, work: Work) -> None:
        listen, tell = os.pipe()
        hear, say = os.pipe()
        self._keeper = os.fork()
        if self._keeper == 0:
            os.close(listen)
            os.close(say)
            os._exit(_on(host, work, tell, hear))
        os.close(tell)
        os.close(hear)
        self._lines, self._say = os.fdopen(listen), say
        self.pid = self.told()

    def told(self) -> Any:
        """The next line."""
        return json.loads(self._lines.readline())

    def go(self) -> None:
        """Let it go on."""
        os.write(self._say, b".")

    def kill(self) -> None:
        """`kill -9`."""
        os.kill(self.pid, signal.SIGKILL)
        self.rest()

    def rest(self) -> list[Any]:
        """All that it tells to its end."""
        lines = [json.loads(line) for line in self._lines]
        os.waitpid(self._keeper, 0)
        return lines


def _on(host: str, work: Work, tell: int, hear: int) -> int:
    if ctypes.CDLL(None, use_errno=True).unshare(NAMESPACES):
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(host)
    if host in MACHINES:
        owner._boot = lambda: f"boot of {host}"
    pid = os.fork()
    if pid:
        os.write(tell, f"{pid}\n".encode())
        os.close(tell)
        os.waitpid(pid, 0)
        return 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)

    def told(what: Any) -> None:
        os.write(tell, f"{json.dumps(what)}\n".encode())

    work(told, lambda: None if os.read(hear, 1) else sys.exit(1))
    return 0


def hold(lock: Path, tell: Tell, wait: Wait) -> None:
    """Hold a file lock."""
    with FileLock(lock):
        tell("held")
        wait()


def train(
    spec: RunSpec,
    runs: Path,
    tell: Tell,
    wait: Wait,
    *,
    resume: RunFolder | None = None,
    pause: int | None = None,
    impatient: bool = False,
    share: Path | None = None,
) -> None:
    """Train, and tell of each epoch that begins and of each state that this run would make.

    Args:
        pause: epoch before which it waits.
        impatient: whether any silence is long.
    """
    start, make = Job.on_train_epoch_start, Sharing._make_next

    def started(self: Job) -> None:
        tell(["epoch", self.current_epoch])
        if self.current_epoch == pause:
            wait()
        start(self)

    def makes(self: Sharing) -> bool:
        made = make(self)
        tell(["makes", made])
        return made

    Job.on_train_epoch_start, Sharing._make_next = started, makes  # type: ignore[method-assign]
    if impatient:
        owner.SILENT = timedelta(0)
    options = ShareOptions(share, part_at=(2, 3)) if share else None
    try:
        record = fit(spec, runs=runs, resume=resume, share=options, console=RunConsole(quiet=True))
    except KagError as error:
        tell(["error", type(error).__name__, str(error)])
    else:
        tell(["ended", record.status])


def look(runs: Path, tell: Tell, wait: Wait, *, impatient: bool = False) -> None:
    """Tell how the only run stands."""
    if impatient:
        owner.SILENT = timedelta(0)
    (record,) = FolderSource(runs).records()
    tell([record.status, silence(record)])


def until(program: Program, line: Any) -> list[Any]:
    """What a program tells before a line."""
    return list(iter(program.told, line))


def is_powerless(folder: Path) -> bool:
    """Whether two processes hold one exclusive lock."""
    two = [Program(host, partial(hold, folder / "proof.lock")) for host in ("hA", "hB")]
    held = [one.told() for one in two]
    for one in two:
        one.go()
        one.rest()
    return held == ["held", "held"]


def only(runs: Path) -> RunFolder:
    """The only run of a folder."""
    (folder,) = RunFolder.all(runs)
    return folder


def told_of(folder: RunFolder) -> dict[str, Any]:
    """What is left of a run."""
    record = folder.read_record()
    return {
        "status": record.status,
        "epochs": [int(row["epoch"]) for row in folder.history()],
        "hosts": record.world.hosts if record.world else (),
        "attempts": len(record.resumes) + 1,
        "owned": folder.owner_file.exists(),
    }


def killed(spec: RunSpec, runs: Path) -> dict[str, Any]:
    """A run is trained on one host; the other one may not, until the first is killed and was silent for long."""
    first = Program("hA", partial(train, spec, runs, pause=2))
    until(first, ["epoch", 2])
    folder = only(runs)
    found = {
        "beside it": Program("hB", partial(train, spec, runs, resume=folder)).rest(),
        "alive": Program("hB", partial(look, runs)).rest(),
    }
    first.kill()
    found["just killed"] = Program("hB", partial(look, runs)).rest()
    found["silent"] = Program("hB", partial(look, runs, impatient=True)).rest()
    found["goes on"] = Program("hB", partial(train, spec, runs, resume=folder, impatient=True)).rest()
    return {**found, **told_of(folder)}


def asleep(spec: RunSpec, runs: Path) -> dict[str, Any]:
    """A trainer sleeps for so long that another host goes on with its run; then it wakes up."""
    first = Program("hA", partial(train, spec, runs, pause=2))
    until(first, ["epoch", 2])
    folder = only(runs)
    second = Program("hB", partial(train, spec, runs, resume=folder, impatient=True)).rest()
    before = told_of(folder)
    first.go()
    return {"second": second, "first": first.rest(), "before": before, "after": told_of(folder)}


def forks(specs: list[RunSpec], folder: Path) -> dict[str, Any]:
    """Two containers with one host name train what they have in common once."""
    works = [partial(train, spec, folder / str(number), share=folder / "share") for number, spec in enumerate(specs)]
    first = Program("box", partial(works[0], pause=1))
    begun = until(first, ["epoch", 1])
    second = Program("box", works[1])
    waited = until(second, ["makes", False])
    first.go()
    return {"first": [*begun, ["epoch", 1], *first.rest()], "second": [*waited, *second.rest()]}


def main(data: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """Every case."""
    torch.set_num_threads(1)
    fcntl.flock = lambda *_: None  # type: ignore[assignment,misc]
    base = {"data.file": data}
    spec = build_spec(TINY, base)
    windows = [build_spec(TINY, {**base, "epochs": 5, "swa.start": 3, "swa.window": window}) for window in (1, 2)]
    yield "powerless", is_powerless(folder)
    yield "killed", killed(spec, folder / "killed")
    yield "asleep", asleep(spec, folder / "asleep")
    yield "forks", forks(windows, folder / "forks")


if __name__ == "__main__":
    print(json.dumps(dict(main(sys.argv[1], Path(sys.argv[2])))))
