"""What a program starts with `subprocess.Popen`, as copies (`tests.warm`) of the process that starts it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import IO, Any

from tests import warm

NEEDLESS = ("-u", "-P")
"""Options of Python: lines of a copy are seen at once, and what it imports it has already."""
COPIED = (sys.executable, "-c", "from tests.copied import kag; kag()")
"""Starts `kag`; its agents and their trials are copies."""


class Started(warm.Copy):
    """A copy, as far as a library knows a process."""

    def __init__(self, begun: warm.Copy) -> None:
        vars(self).update(vars(begun))
        self.stdin = io.StringIO()


def begin(
    args: Sequence[str],
    *,
    template: warm.Template | None,
    env: Mapping[str, str] | None = None,
    is_alone: bool = True,
    stdout: IO[Any] | None = None,
    pass_fds: Sequence[int] = (),
    **words: Any,
) -> Started | subprocess.Popen[bytes]:
    """Start a program: a copy if the Python of the tests is to run it.

    Args:
        template: what is copied; else the process that all tests share.
        is_alone: whether it gets a session of its own; else it joins the group of this process.
        stdout: takes what it prints and its errors.
        pass_fds: as of `subprocess.Popen`.
    """
    env = os.environ if env is None else env
    called = warm.called(args, env)
    if not warm.is_ours(called[0], env):
        return subprocess.Popen(args, env=env, stdout=stdout, pass_fds=pass_fds, **words)
    called = [word for word in called if word not in NEEDLESS]
    streams = (1, 2) if stdout is None else (stdout.fileno(), stdout.fileno())
    group = None if is_alone else os.getpgid(0)
    begun = warm.begin(called, cwd=os.getcwd(), env=env, streams=streams, template=template, group=group, kept=pass_fds)
    return Started(begun)


def subprocess_of(template: warm.Template | None, *, is_alone: bool = True) -> Any:
    """What a library is to know as `subprocess`."""
    popen = partial(begin, template=template, is_alone=is_alone)
    return SimpleNamespace(Popen=popen, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired)


def torchrun() -> None:
    """Be `torchrun`."""
    template = warm.template_of_this()
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler

    subprocess_handler.Popen = partial(begin, template=template)  # type: ignore[misc, assignment]
    run.main()


def kag() -> None:
    """Be `kag`, which loads nothing anew for its server, its agents and their trials; those of W&B are in a hurry."""
    template = warm.template_of_this()
    import kag.server.embedded
    from kag.cli import crew, main, sweep_agents, trials

    sweep_agents._ANY = (sys.executable, "-c", "from tests.e2e.hurried import main; main()", "agent")
    for room in (kag.server.embedded, crew, sweep_agents):
        room.Popen = partial(begin, template=template)  # type: ignore[attr-defined]
    trials.Popen = partial(begin, template=template, is_alone=False)  # type: ignore[misc, assignment]
    main.main()
