"""Every error that kag raises on purpose.

    KagError               something went wrong and we know what
    ├── UserError          the input is at fault; nothing was trained              (exit code 2)
    │   ├── SpecError      a run spec or an override
    │   ├── SweepError     a sweep file
    │   ├── DataError      an HDF5 file, or a list of sample indices
    │   ├── RecordError    a run folder, a record or a change log
    │   └── CheckpointError   a file of weights
    ├── StorageError       the system does not take what is written                (exit code 1)
    │   └── OutputRefused  what is printed goes to a place that takes nothing      (exit code 2)
    ├── NotTaken           a tracker does not give, or take, what is carried        (exit code 1)
    └── RunFailed          a run started and did not end well                      (exit code 1)
        ├── RehearsalFailed   the one-batch rehearsal before the first epoch
        ├── Diverged          weights that are not finite any more
        └── Interrupted       SIGINT, SIGTERM, SIGUSR1 or SIGUSR2 arrived          (exit code 128 + signal)

The command line catches `KagError` in one place and prints it; no other part of kag turns an error into text.
"""

from __future__ import annotations

from signal import SIGINT, SIGTERM, SIGUSR1, SIGUSR2

ENDING = (SIGINT, SIGTERM, SIGUSR1, SIGUSR2)
"""Signals that ask kag to save and end: a person's, the system's, and those that schedulers send before their own."""


def exit_code_of(signal_number: int) -> int:
    """What shells say of a process that a signal has ended."""
    return 128 + signal_number


class KagError(Exception):
    """What is wrong, where, the nearest valid thing, and the remedy.

    Args:
        what: one sentence that says what is wrong.
        where: file, key, line, dataset or row.
        nearest: the closest thing that would have been valid.
        remedy: what to do about it.
    """

    exit_code = 1
    repeats = True
    """Whether the same input would end the same way again."""

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        nearest: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.nearest = nearest
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        # A name from outside may have several lines; the place of an error has one.
        place = (self.where or "").replace("\n", "\\n")
        head = f"{place}: {self.what}" if place else self.what
        lines = [head]
        if self.nearest:
            lines.append(f"  nearest: {self.nearest}")
        if self.remedy:
            lines.append(f"  remedy:  {self.remedy}")
        return "\n".join(lines)


class UserError(KagError):
    """The input is at fault: nothing was started, nothing was written."""

    exit_code = 2


class SpecError(UserError):
    """A run spec or an override breaks the schema; the text lists every violation."""


class SweepError(UserError):
    """A sweep file breaks the W&B schema or names what no run spec has."""


class DataError(UserError):
    """An HDF5 file, or a list of sample indices, is not what it must be."""


class RecordError(UserError):
    """A run folder, a run record or a change log cannot be read or must not be touched."""


class CheckpointError(UserError):
    """A file of weights cannot be read or does not fit."""


class StorageError(KagError):
    """The system does not take what is to be written: the disk is full, read-only or gone."""

    repeats = False


class OutputRefused(StorageError):
    """What is printed goes to a place that takes nothing: whoever started the command has named that place."""

    exit_code = 2


class NotTaken(KagError):
    """A tracker does not give what is carried to another one, or that one does not take it."""

    repeats = False


class RunFailed(KagError):
    """A run started and did not end well."""

    repeats = False


class RehearsalFailed(RunFailed):
    """The rehearsal on one batch found a fault before time was spent."""

    repeats = True


class Diverged(RunFailed):
    """The weights, or what they compute, are not finite any more."""

    repeats = True


class Interrupted(RunFailed):
    """One of `ENDING` ended the run after its current batch; what was finished is saved.

    Args:
        signal_number: the signal; the exit code is that of `exit_code_of`.
    """

    def __init__(self, what: str, *, signal_number: int, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.exit_code = exit_code_of(signal_number)
