"""What the jobs say in which a program may find itself, and the environment without it."""

from __future__ import annotations

import os

SLURM_STEP = {
    "SLURM_JOB_ID": "4077",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NNODES": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "1",
}
"""What SLURM says to the only task of a step."""
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "run",
    "TORCHELASTIC_RESTART_COUNT": "0",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29531",
}
"""What torchrun says to its only process."""


def no_job() -> dict[str, str]:
    """The environment without what a job around the tests says: a launcher that is there is the one that is used."""
    return {name: value for name, value in os.environ.items() if name not in TORCHRUN and not name.startswith("SLURM_")}
