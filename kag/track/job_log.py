"""The file that takes what a scheduler's job prints: from the run to what was said around it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Mapping

from kag.track.launch import job_of

_PATIENCE = 10.0
"""Seconds in which SLURM's controller answers, or its answer is done without."""
_PRINTS_TO = re.compile(r"^\s*StdOut=(/.*\S)", re.MULTILINE)


def job_log(environment: Mapping[str, str]) -> str | None:
    """Path of the log of the job around this process; None where there is no job, or nobody says where it prints.

    That is the file that this process prints to. Where it prints to a program, as under `srun`, SLURM is asked, which
    sets no variable to it (`scontrol(1)`, `StdOut`).
    """
    if job_of(environment)["job"] is None:
        return None
    return _own_output() or _told(environment.get("SLURM_JOB_ID"))


def _own_output() -> str | None:
    try:
        return os.readlink("/proc/self/fd/1") if stat.S_ISREG(os.fstat(1).st_mode) else None
    except OSError:  # it is closed, or the system does not list it
        return None


def _told(job: str | None) -> str | None:
    if job is None:
        return None
    try:
        words = ["scontrol", "show", "job", job]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _PRINTS_TO.search(done.stdout)
    return found[1] if found else None
