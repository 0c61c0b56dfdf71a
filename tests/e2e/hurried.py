"""The client's agents without their pauses, and trials as copies (`tests.warm`): tests wait for little else.

    python -c "from tests.e2e.hurried import main; main()" agent SWEEP

How they are by themselves is in `client_flows`.
"""

from __future__ import annotations

import io
import os
import queue
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from tests import warm

PAUSE = 0.2
"""Seconds from one question of an agent to the next; by themselves they take five."""


def main() -> None:
    """Be `wandb`."""
    template = warm.template_of_this()  # while nothing of the client has begun
    from wandb import wandb_agent
    from wandb.cli.cli import cli

    hurry()
    wandb_agent.subprocess = SimpleNamespace(
        Popen=partial(begin, template=template), PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired
    )
    cli(prog_name="wandb")


def hurry() -> None:
    """Agents of this process ask often."""
    from wandb import wandb_agent
    from wandb.agents import pyagent

    wandb_agent.Agent.POLL_INTERVAL = pyagent.Agent.HEARTBEAT_SLEEP_SECONDS = PAUSE
    pyagent.queue = SimpleNamespace(Queue=HastyQueue, Empty=queue.Empty)
    pyagent.time = SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(min(seconds, PAUSE)))


class HastyQueue(queue.Queue[Any]):
    """Nobody waits long at it."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """As of any queue."""
        return super().get(block, min(timeout or PAUSE, PAUSE))


class Trial(warm.Copy):
    """A copy, as far as an agent knows a process."""

    def __init__(self, begun: warm.Copy) -> None:
        vars(self).update(vars(begun))
        self.stdin = io.StringIO()


def begin(
    command: Sequence[str], *, env: Mapping[str, str], template: warm.Template, **words: Any
) -> Trial | subprocess.Popen[bytes]:
    """Start a trial: a copy if the Python of the tests is to run it."""
    called = command[1:] if command[0] == "/usr/bin/env" else command
    if not warm.is_ours(called[0], env):
        return subprocess.Popen(command, env=env, **words)
    return Trial(warm.begin(called, cwd=os.getcwd(), env=env, streams=(1, 2), template=template))
