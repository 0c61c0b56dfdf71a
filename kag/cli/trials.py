"""Trials of an agent as processes: copies of one that is ready (`kag.cli.template`), or started anew where that cannot
be."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Protocol

import kag
from kag.sweep.program import plain_call

_SERVE = """
from kag.cli.departure import Departure
departure = Departure()  # before anything is loaded that registers what it does at the end
import sys
from kag.cli.template import serve
serve(int(sys.argv[1]), departure)
"""

CodeState = frozenset[tuple[str, int, int]]
"""Name, size and time of each file of kag's code."""


class Trial(Protocol):
    """A trial that has begun. It leads a process group of its own, as W&B's agent wants it."""

    @property
    def wakes(self) -> Sequence[int]:
        """Descriptors that can be read when something has become of it.

        That a child of this process has ended is told by SIGCHLD.
        """
        ...

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that has ended it; None while it goes on."""
        ...

    def send(self, number: int) -> None:
        """Send it a signal; nobody gets it if it has ended."""
        ...


class Workplace:
    """Where the trials of an agent are started. Its block is left when nothing of it runs.

    Args:
        script: the program `kag`, as a trial is called by.
        environment: of the agent.
        template: one that is ready; None makes one at the first trial.
    """

    def __init__(self, script: str, environment: Mapping[str, str], template: Template | None = None) -> None:
        self._script, self._environment, self._template = script, environment, template

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *_: object) -> None:
        if self._template is not None:
            self._template.close()

    def begin(self, words: Sequence[str], environment: Mapping[str, str]) -> Trial:
        """Start a trial.

        Args:
            words: as W&B's agent would start them.
            environment: of the trial.

        Raises:
            OSError: there is no such program.
        """
        call = plain_call(words, sys.executable) if hasattr(os, "fork") else None
        if call is None:
            return Spawned(words, environment)
        if self._template is not None and not self._template.is_current():
            self._template.close()
            self._template = None
        self._template = self._template or Template.started(self._environment)
        return self._template.copy(call, environment, self._script)


class Spawned:
    """A trial that was started anew."""

    wakes: Sequence[int] = ()

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = Popen(words, env=environment, stdin=DEVNULL, process_group=0)

    def poll(self) -> int | None:
        """See `Trial.poll`."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """See `Trial.send`."""
        self._process.send_signal(number)


class Process(Protocol):
    """A child of this process; the words of `subprocess.Popen`."""

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that has ended it; None while it goes on."""
        ...

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        ...

    def send_signal(self, number: int, /) -> None:
        """Send it a signal; nobody gets it if it has ended."""
        ...


class Forked:
    """A child that is a copy of this process; see `Process`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """See `Process.poll`."""
        return self._looked(os.WNOHANG)

    def wait(self) -> int:
        """See `Process.wait`."""
        code = self._looked(0)
        assert code is not None
        return code

    def send_signal(self, number: int, /) -> None:
        """See `Process.send_signal`."""
        if self.poll() is None:
            os.kill(self._pid, number)

    def _looked(self, how: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, how)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class Template:
    """The process that is copied.

    Args:
        control: socket at which it is asked.
        process: itself.
        code: that it has loaded, as `code_state` has it.
    """

    def __init__(self, control: socket.socket, process: Process, code: CodeState) -> None:
        self._control, self._process, self._code = control, process, code

    @classmethod
    def started(cls, environment: Mapping[str, str]) -> Template:
        """One that loads everything, with an environment: how many threads torch may use is read then."""
        control, other = socket.socketpair()
        code = code_state()
        with other:
            words = [sys.executable, "-P", "-c", _SERVE, str(other.fileno())]
            process = Popen(words, env=environment, stdin=DEVNULL, pass_fds=[other.fileno()])
        return cls(control, process, code)

    def is_current(self) -> bool:
        """Whether it lives, and is of the code that is there now."""
        return self._process.poll() is None and self._code == code_state()

    def copy(self, words: Sequence[str], environment: Mapping[str, str], script: str) -> Trial:
        """Make a copy of it that does what the words say."""
        request = {"words": [*words], "environment": {**environment}, "script": script}
        with contextlib.suppress(OSError):  # a template that has gone is met by who reads its answer
            self._control.sendall(f"{json.dumps(request)}\n".encode())
        return Copied(self._control, self._process)

    def close(self) -> None:
        """Let it end; it does so when its trial has ended."""
        self._control.close()
        self._process.wait()


class Copied:
    """A trial that is a copy of a template, which tells first its process id, then its exit code."""

    def __init__(self, control: socket.socket, template: Process) -> None:
        self._control, self._template = control, template
        self._said = b""
        self._pid: int | None = None
        self._is_orphan = False

    @property
    def wakes(self) -> Sequence[int]:
        """See `Trial.wakes`."""
        return () if self._is_orphan else (self._control.fileno(),)

    def poll(self) -> int | None:
        """See `Trial.poll`. A trial whose template was killed is told to end, and nobody hears how it did."""
        if not self._is_orphan:
            self._is_orphan = not self._hear()
            if self._is_orphan:
                self.send(signal.SIGTERM)
        if self._pid is None and b"\n" in self._said:
            pid, _, self._said = self._said.partition(b"\n")
            self._pid = int(pid)
        if b"\n" in self._said:
            return int(self._said)
        return -signal.SIGTERM if self._is_orphan and (self._pid is None or is_gone(self._pid)) else None

    def send(self, number: int) -> None:
        """See `Trial.send`. Before there is a trial, the template that is still to make it gets the signal."""
        with contextlib.suppress(ProcessLookupError):
            if self._pid is not None:
                os.kill(self._pid, number)
            elif not self._is_orphan:
                self._template.send_signal(number)

    def _hear(self) -> bool:
        """Take in what the template has said; whether it is there."""
        while select.select([self._control], [], [], 0.0)[0]:
            try:
                more = self._control.recv(4096)
            except ConnectionError:
                return False
            if not more:
                return False
            self._said += more
        return True


def is_gone(pid: int) -> bool:
    """Whether a process of somebody else's has ended, whoever is to take its exit code."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:
        return True
    except OSError:
        return False


def code_state() -> CodeState:
    """Which files of kag's code there are, and when they were written: who has loaded others runs another program."""
    files = ((file, file.stat()) for file in Path(kag.__file__).parent.rglob("*.py"))
    return frozenset((str(file), found.st_size, found.st_mtime_ns) for file, found in files)
