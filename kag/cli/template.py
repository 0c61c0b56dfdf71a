"""The process that an agent's trials are copies of: what they need is loaded and the data are read, nothing has run.

A copy has the memory of this process and none of its threads. So nothing here computes with torch, asks for a GPU or
talks to W&B: the first of these things happens in a copy, as in a process that `kag train` has started.
"""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.main import get_command

from kag.cli.main import PATIENT_THREADS, app, main
from kag.cli.sweep_agents import COPIED_RUN
from kag.cli.words import split_words
from kag.errors import ENDING, KagError

if TYPE_CHECKING:
    from kag.cli.departure import Departure
    from kag.cli.trials import Template
    from kag.train.worker import Held


class Request(NamedTuple):
    """A trial that is asked for."""

    words: Sequence[str]
    """Of its command line, from `train` on."""
    environment: Mapping[str, str]
    script: str
    """What it is called by."""


def serve(number: int, departure: Departure) -> None:
    """Load everything, and be a template until nobody is left who asks.

    Args:
        number: descriptor of the socket at which trials are asked for.
        departure: of this process and of the copies, registered before anything else.
    """
    load()
    work(socket.socket(fileno=number), departure)


def work(control: socket.socket, departure: Departure) -> None:
    """Begin trials one after another, as they are asked for, in a process that has loaded everything.

    Args:
        control: a line of JSON comes for a trial, its process id goes back, later its exit code as
            `os.waitstatus_to_exitcode` has it.
        departure: of this process and of the copies.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells it to all; the agent decides what becomes of it
    from kag.train.worker import Held

    held = Held()
    with control:
        request = _until_asked(control, held)
    if request is None:
        departure.code = 0
        return
    _become_trial(request)
    depart(departure, held)


def depart(departure: Departure, given: Held | Template) -> None:
    """Do what the command line of this process says, and end."""
    try:
        main(given)
    except SystemExit as ended:
        departure.code = ended.code if isinstance(ended.code, int) else None
        raise


def load() -> None:
    """Load what agents and their trials need."""
    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)
    # The availability of a GPU is asked in a way that does not initialise it.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    from kag.track.wandb_private import load_all

    load_all()
    import kag.cli.results
    import kag.train.fit  # noqa: F401
    from kag.track.code import TRAINING, code_digest
    from kag.view.earlier import TELLING

    for parts in (TRAINING, TELLING):
        code_digest(*parts)  # of the code that has been loaded, whatever becomes of the files


def _until_asked(control: socket.socket, held: Held) -> Request | None:
    """Answer requests. In a copy: what it was made for; here, at the end: None."""
    for request in _requests(control):
        _open(held, request.words)
        child = fork()
        if child == 0:
            return request
        control.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        control.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    return None


def fork() -> int:
    """Make a copy of this process, as `os.fork` does."""
    gc.collect()
    gc.freeze()  # a collection in a copy would else write to every page
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Threads of OpenBLAS end before a copy is made, and begin anew in it.
        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        return os.fork()


def _requests(control: socket.socket) -> Iterator[Request]:
    with control.makefile("r", encoding="utf-8") as lines:
        for line in lines:
            yield Request(**json.loads(line))


def _open(held: Held, words: Sequence[str]) -> None:
    """Read what is not held yet of what a trial reads; what is wrong with its spec or its data is for it to say."""
    from kag.spec.load import read_spec

    try:
        context = get_command(app).commands["train"].make_context("train", list(words[1:]))  # type: ignore[attr-defined]
        file, overrides = split_words(context.params["words"] or [])
        if file is not None:
            spec, _ = read_spec(file, overrides, trial=True)
            held.hold_data(spec.data.file)
    except (KagError, OSError, typer.TyperException):
        return


def _become_trial(request: Request) -> None:
    """Be the process that an agent would have started: of a process group of its own."""
    os.setpgid(0, 0)
    become(request.words, request.environment, request.script)
    if hasattr(os, "memfd_create"):
        os.memfd_create(COPIED_RUN + request.environment.get("WANDB_RUN_ID", ""))
    sys.modules["__main__"].__file__ = request.script


def become(words: Sequence[str], environment: Mapping[str, str], script: str) -> None:
    """Be the process that a command would have started: of nobody's signals and numbers.

    Args:
        words: of the command, from `train` or `agent` on.
        environment: of it.
        script: what it is called by.
    """
    import numpy as np

    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = [script, *words]
    random.seed()
    np.random.seed()  # as the state is that libraries draw from
