"""`kag` in a forked child of this process: its own streams, rights and limits, and not a second to start."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
import typer.main

from kag.cli import main as entry
from tests.cli.conftest import Outcome

BUILT = typer.main.get_command(entry.app)
"""The commands, which typer else builds anew at every call."""
SECONDS = 100
"""After so many the system ends a child that hangs, by SIGALRM."""
_PIPE = 1 << 20
"""Bytes that a child can print before anybody reads."""
_RIGHTS_OF_ROOT = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: what lets root write where nobody may."""


def forked(words: Sequence[str], before: Callable[[], object] = lambda: None, *, closed: bool = False) -> Outcome:
    """Run `kag` with these words.

    Args:
        words: the words behind `kag`.
        before: what the child does first.
        closed: it has no standard output.
    """
    sys.stdout.flush()
    reads, writes = zip(*(os.pipe() for _ in range(2)), strict=True)
    for pipe in writes:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
    child = os.fork()
    if child == 0:
        _become(words, before, None if closed else writes[0], writes[1])
    for pipe in writes:
        os.close(pipe)
    status = os.waitpid(child, 0)[1]
    return Outcome(os.waitstatus_to_exitcode(status), *map(_all, reads))


def without_rights_of_root() -> None:
    """Let file modes hold for root, too, and for what it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    for right in _RIGHTS_OF_ROOT:
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for right in _RIGHTS_OF_ROOT:
        for place in range(3):
            sets[place] &= ~(1 << right)
    libc.capset(header, sets)


def on_a_full_disk() -> None:
    """Let the system take no byte of any file, as a full disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@contextmanager
def interrupted_at(function: Callable[..., object], number: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Inside the block a signal arrives at the first line of a function."""

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is function.__code__:
            sys.setprofile(None)
            signal.raise_signal(number)

    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)


def _become(words: Sequence[str], before: Callable[[], object], out: int | None, error: int) -> None:
    """Be `kag` to the end of this process."""
    code = 70
    try:
        signal.alarm(SECONDS)
        os.dup2(error, 2)
        if out is None:
            os.close(1)
            sys.stdout = None  # type: ignore[assignment]
        else:
            os.dup2(out, 1)
            sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.argv = ["kag", *words]
        before()
        code = _code_of_main()
    finally:
        os._exit(code)


def _code_of_main() -> int:
    torch.set_num_threads(1)  # threads of OpenMP do not live on in a child
    vars(entry)["app"] = BUILT
    try:
        entry.main()
    except SystemExit as left:
        sys.stdout.flush()
        return int(left.code or 0)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        raise
    raise AssertionError("main ends by SystemExit")


def _all(descriptor: int) -> str:
    with open(descriptor, "rb") as file:
        return file.read().decode(errors="backslashreplace")


def tree(place: Path) -> set[str]:
    """Everything in a folder, but for what the change log keeps in a folder of runs to be faster."""
    return {str(path.relative_to(place)) for path in place.rglob("*") if ".changelog" not in path.parts}
