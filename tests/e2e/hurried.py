"""The client's agents without their pauses, and trials as copies (`tests.warm`): tests wait for little else.

    python -c "from tests.e2e.hurried import main; main()" agent SWEEP

`install` puts that into a folder for PATH, as `wandb`.

How they are by themselves is in `client_flows`.
"""

from __future__ import annotations

import queue
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests import warm
from tests.copied import subprocess_of

PAUSE = 0.2
"""Seconds from one question of an agent to the next; by themselves they take five."""


def main(*, is_bare: bool = False) -> None:
    """Be `wandb`.

    Args:
        is_bare: whether trials need more than this process has loaded: they are copies of the one that all tests
            share, and go on when this one is killed.
    """
    from wandb import wandb_agent
    from wandb.cli.cli import cli

    template = None if is_bare else warm.template_of_this()  # while nothing of the client has begun
    hurry()
    wandb_agent.subprocess = subprocess_of(template)
    cli(prog_name="wandb")


def install(folder: Path, *, is_bare: bool = False) -> None:
    """Write the command into a folder; see `main`."""
    file, called = folder / "wandb", f"from tests.e2e.hurried import main; main(is_bare={is_bare})"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{called}" "$@"\n')
    file.chmod(0o755)


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
