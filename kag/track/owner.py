"""Who holds a run folder or makes a shared state, as an owner file says, and what that proves where it is read.

`flock` alone does not do: where a file system has it without effect, two hosts hold one lock. An owner file names a
process by what no other one has in common with it: boot of its kernel, process namespace, process id and start. Only a
process of the same boot and namespace is looked up in the process table, which decides at once; a host's name proves
nothing, containers share it. Of all others the last sign of life decides, which is a time by the clock of the file
system, so that no two hosts' clocks are ever compared. Boot and namespace are in `proc(5)` and `pid_namespaces(7)`.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from pydantic import ValidationError

from kag.track.value import Value

EVERY = 30.0
"""Seconds between two signs of life."""

SILENT = timedelta(minutes=5)
"""Without a sign for so long an owner elsewhere counts as dead, and may be taken over: ten signs."""

_UNKNOWN_START = -1
_DEAD = frozenset("ZXx")
"""States of a process in `/proc/PID/stat` that does nothing any more."""


class Standing(Enum):
    """What is known of an owner."""

    ALIVE = "alive"
    """Its process is there, or gave a sign of late."""
    DEAD = "dead"
    """Its process is gone: the process table says so."""
    SILENT = "silent"
    """It lives elsewhere, and gave no sign for `SILENT`."""

    @property
    def gone(self) -> bool:
        """Whether what it owned may be taken over."""
        return self is not Standing.ALIVE


class Process(Value):
    """A process, as no other one is."""

    host: str
    """For people: nothing is concluded from it where there is a boot id."""
    boot: str
    """Id of this run of the kernel; the host's name on systems without one."""
    namespace: int | None
    """Inode of the process namespace; None where the process table that is seen is not its own."""
    pid: int
    started: int
    """Clock ticks from the boot to its start; `-1` where that cannot be seen."""


@dataclass(frozen=True)
class Owner:
    """What an owner file says."""

    process: Process | None
    """None if the file does not say: its writer, or its disk, was cut off."""
    token: str
    """Of this one claim, among all that were ever made."""
    sign: datetime
    """Last sign of life, by the clock of the file system."""

    @property
    def host(self) -> str:
        """Name of its host."""
        return self.process.host if self.process else "an unknown host"

    def is_seen_by(self, here: Process) -> bool:
        """Whether the process table of a process would hold the owner."""
        own = self.process
        return (
            own is not None and own.namespace is not None and (own.boot, own.namespace) == (here.boot, here.namespace)
        )


class _Claim(Value):
    process: Process
    token: str


def judge(owner: Owner, now: datetime, here: Process, processes: Mapping[int, int]) -> Standing:
    """What is known of an owner.

    Args:
        owner: of whom.
        now: by the clock of the file system.
        here: the process that asks.
        processes: those that it sees in its process table: when each started.
    """
    process = owner.process
    if process is None or not owner.is_seen_by(here):
        return Standing.SILENT if now - owner.sign > SILENT else Standing.ALIVE
    started = processes.get(process.pid)
    same = started is not None and (started == process.started or _UNKNOWN_START in (started, process.started))
    return Standing.ALIVE if same else Standing.DEAD


def owner_text(process: Process, token: str, sign: datetime) -> str:
    """An owner file: who it is, and in a second line the sign of life."""
    return f"{_Claim(process=process, token=token).model_dump_json()}\n{sign_text(sign)}"


def sign_text(sign: datetime) -> str:
    """The last line of an owner file. It has always the same length, and is written in place."""
    return f"{sign.astimezone(UTC).isoformat(timespec='microseconds')}\n"


def parse_owner(text: str, otherwise: Owner) -> Owner:
    """What an owner file says.

    Args:
        text: the file.
        otherwise: what is known of it where it is no owner file, and its sign where there is no whole one.
    """
    first, _, second = text.partition("\n")
    try:
        claim = _Claim.model_validate_json(first)
    except ValidationError:
        return otherwise
    return Owner(claim.process, claim.token, _parse_sign(second) or otherwise.sign)


def _parse_sign(text: str) -> datetime | None:
    try:
        sign = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return sign.astimezone(UTC) if sign_text(sign) == text else None


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    host = socket.gethostname()
    started = _started(pid) or _UNKNOWN_START
    return Process(host=host, boot=_boot() or host, namespace=_namespace(pid), pid=pid, started=started)


def process_table(*pids: int) -> Mapping[int, int]:
    """When processes started, of those that are there."""
    found = ((pid, _started(pid)) for pid in pids)
    return {pid: started for pid, started in found if started is not None}


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _namespace(pid: int) -> int | None:
    """Process namespace of this process; 0 on a system that has none."""
    if sys.platform != "linux":
        return 0
    try:
        # In a namespace of its own that sees the table of the outer one, other processes have these numbers.
        own_table = os.readlink("/proc/self") == str(pid)
        return os.stat("/proc/self/ns/pid").st_ino if own_table else None
    except OSError:
        return None


def _started(pid: int) -> int | None:
    """When a process started; None if there is none, or it has ended and only waits to be asked how."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # another user's: it is there
    try:
        # The name in parentheses may hold anything; state and start are the 3rd and the 22nd field.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] in _DEAD else int(fields[19])
    except OSError:
        return _UNKNOWN_START
