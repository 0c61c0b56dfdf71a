"""How many agents are wanted, and what each of them needs."""

from __future__ import annotations

from typing import NamedTuple


class Shape(NamedTuple):
    """Agents that are alike."""

    agents: int
    cpus: int = 1
    """Cores of each."""
    gpus: int = 0
    """GPUs of each."""
    time: str | None = None
    """The longest that each may take, as SLURM writes it; None leaves that to the engine."""


PATIENCE = {"WANDB_AGENT_DISABLE_FLAPPING": "true", "WANDB_AGENT_MAX_INITIAL_FAILURES": "1000"}
"""W&B's agents give up after a few failures at the start. Here the sweep decides how often a point may fail."""


def agent_words(path: str, runs: str, *, own: bool) -> list[str]:
    """What starts an agent.

    Args:
        path: of the sweep, `entity/project/id`.
        runs: the folder of the run folders, which `kag agent` wants to know.
        own: whether the trials are kag's own; those of another program are for `wandb agent`, which leaves a trial
            behind that trains on if it does not forward signals.
    """
    if own:
        return ["kag", "agent", path, "--runs", runs]
    return ["wandb", "agent", "--forward-signals", "--term-timeout", str(TERM_SECONDS), path]


KILLED = "an agent was killed"
"""What is said of one that a signal has ended."""

TERM_SECONDS = 150
"""A trial that was told to end may take so long to save; engines give `GRACE_SECONDS` before they kill."""

GRACE_SECONDS = 180
