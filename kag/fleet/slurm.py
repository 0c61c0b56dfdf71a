"""SLURM's own commands: an array of agents is submitted, looked at, and ended so that trials can save."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kag.errors import KagError, UserError

LOOK_SECONDS = 10.0
"""Between two questions to SLURM, whose controller all users of a cluster share."""

UNHEARD_SECONDS = 300.0
"""A controller that is busy, or begins anew, does not answer for a while."""

OWN = ("-J", "--job-name", "-a", "--array", "--parsable", "-D", "--chdir", "--open-mode")
"""Options of sbatch that are kag's to give: by them it finds jobs and runs again."""


def require_own(words: Sequence[str]) -> None:
    """Refuse options of sbatch that kag gives itself.

    Raises:
        UserError: which one.
    """
    for word in words:
        name = word.partition("=")[0]
        if name in OWN:
            raise UserError(f"--sbatch may not give {name}, by which kag finds its jobs", remedy="leave it out")


def job_name(path: str) -> str:
    """Name of the jobs of a sweep, `entity/project/id`."""
    return f"kag-{path.rsplit('/', 1)[-1]}"


def submit(script: Path, words: Sequence[str], options: Sequence[str], environment: Mapping[str, str]) -> str:
    """Submit an array; the id of its job.

    Args:
        script: the batch script.
        words: its arguments.
        options: of sbatch, which win over those in the script.
        environment: of sbatch, and of the tasks unless an option says otherwise.

    Raises:
        UserError: there is no SLURM here, or it refuses.
    """
    printed = _asked(["sbatch", "--parsable", *options, str(script), *words], environment)
    return printed.strip().partition(";")[0]


def tasks_of(name: str) -> list[str]:
    """The job of each task that waits or runs under a name."""
    printed = _asked(["squeue", "--me", "--array", "--noheader", f"--name={name}", "--format=%F"])
    return printed.split()


def end(name: str) -> int:
    """End all tasks of a name: those that wait do not begin, those that run are told to save and leave; how many."""
    found = tasks_of(name)
    for job in sorted(set(found)):
        _asked(["scancel", "--state=PENDING", job])
        # --batch: the script alone is told, and ends what it has started in order; W&B's helper lives to the end.
        _asked(["scancel", "--batch", "--signal=TERM", "--state=RUNNING", job])
    return len(found)


class NoAnswer(KagError):
    """One of SLURM's commands has not got what it was asked for."""


class Jobs:
    """The tasks of a name, while they go on."""

    lost = None
    """SLURM says of no task that has left how it ended; the server says what became of its trial."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked, self._over = float("-inf"), False
        self._heard = time.monotonic()

    def over(self) -> bool:
        """Whether none is left, as far as SLURM has last said.

        Raises:
            NoAnswer: it has not answered for `UNHEARD_SECONDS`.
        """
        now = time.monotonic()
        if now >= self._asked + LOOK_SECONDS:
            self._asked = now
            try:
                self._over, self._heard = not tasks_of(self._name), now
            except NoAnswer:
                if now > self._heard + UNHEARD_SECONDS:
                    raise
        return self._over

    def wait(self, seconds: float) -> None:
        """Let some time pass."""
        time.sleep(seconds)


def _asked(words: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        remedy = "call kag where SLURM's commands are; `kag sweep run` without --on uses this machine"
        raise UserError(f"there is no `{words[0]}` here", remedy=remedy) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        kind = UserError if words[0] == "sbatch" else NoAnswer
        raise kind(f"{words[0]}: {said[-1].removeprefix(f'{words[0]}: ').removeprefix('error: ')}")
    return done.stdout
