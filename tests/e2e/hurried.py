"""The client's agents without their pauses, and trials as copies (`tests.warm`): tests wait for little else.

    python -c "from tests.e2e.hurried import main; main()" agent SWEEP

How they are by themselves is in `client_flows`.
"""

from __future__ import annotations

import io
import queue
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
    begin = partial(Trial, template=template)
    wandb_agent.subprocess = SimpleNamespace(Popen=begin, PIPE=None, TimeoutExpired=warm.subprocess.TimeoutExpired)
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
    """What the agent calls a process."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], template: warm.Template, **_: Any) -> None:
        words = command[1:] if command[0] == "/usr/bin/env" else command
        assert warm.is_ours(words[0], env), words
        begun = warm.begin(words, cwd=warm.os.getcwd(), env=env, streams=(1, 2), template=template)
        vars(self).update(vars(begun))
        self.stdin = io.StringIO()

