"""What a library starts with `subprocess.Popen`, as copies (`tests.warm`) of the process that starts it."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from tests import warm


class Started(warm.Copy):
    """A copy, as far as a library knows a process."""

    def __init__(self, begun: warm.Copy) -> None:
        vars(self).update(vars(begun))
        self.stdin = io.StringIO()


def begin(
    args: Sequence[str], *, env: Mapping[str, str], template: warm.Template, is_alone: bool = True, **words: Any
) -> Started | subprocess.Popen[bytes]:
    """Start a program: a copy if the Python of the tests is to run it.

    Args:
        template: what is copied.
        is_alone: whether it gets a session of its own; else it joins the group of this process.
    """
    called = args[1:] if args[0] == "/usr/bin/env" else args
    if not warm.is_ours(called[0], env):
        return subprocess.Popen(args, env=env, **words)
    called = [word for word in called if word != "-u"]  # lines of a copy are seen at once
    group = None if is_alone else os.getpgid(0)
    return Started(warm.begin(called, cwd=os.getcwd(), env=env, streams=(1, 2), template=template, group=group))


def subprocess_of(template: warm.Template, *, is_alone: bool = True) -> Any:
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
