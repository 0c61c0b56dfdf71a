"""The agents of one `kag sweep` as copies of one process that has loaded everything; and what `kag sweep` has of them.

The process is started from nothing, says that it is ready, is told of all agents in one line of JSON, and tells of
each its process id, then, as they end, process ids with exit codes. Of an agent a second copy is made at once, which
its trials are copies of: as yet the agent has no threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import TYPE_CHECKING, NamedTuple

from kag.cli.trials import CodeState, Forked, Process, Template, code_state, is_gone
from kag.errors import RunFailed

if TYPE_CHECKING:
    from kag.cli.departure import Departure

_SERVE = """
from kag.cli.departure import Departure
departure = Departure()  # before anything is loaded that registers what it does at the end
import sys
from kag.cli.crew import serve
serve(int(sys.argv[1]), departure)
"""
LOOK_SECONDS = 0.05
"""Between two looks at an agent of which nobody tells any more."""

_SCRIPT = "-c"
"""What an agent is called by: nobody has called the program `kag`."""


class Wanted(NamedTuple):
    """An agent that is to begin."""

    words: Sequence[str]
    """Of its command line, behind `agent`."""
    environment: Mapping[str, str]
    log: str
    """File behind which it writes what it says."""


class Crew:
    """Agents that are copies of one process. Its block is left when that process has ended, which is after them all.

    Args:
        control: socket at which that process is told of them.
        process: itself.
        log: file that has what it says.
    """

    def __init__(self, control: socket.socket, process: Process, log: Path) -> None:
        self._control, self._process, self._log = control, process, log
        self._heard, self._codes = b"", dict[int, int]()
        self._is_begun = self._is_orphan = False

    @classmethod
    def started(cls, environment: Mapping[str, str], log: Path, inherited: Sequence[int] = ()) -> Crew:
        """One that loads everything.

        Args:
            environment: that it is loaded with: how many threads torch may use is read then.
            log: takes what the process says.
            inherited: descriptors that agents are to have.
        """
        control, other = socket.socketpair()
        words, passed = [sys.executable, "-P", "-c", _SERVE, str(other.fileno())], [other.fileno(), *inherited]
        with other, log.open("ab") as output:
            process = Popen(
                words,
                env=environment,
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=passed,
            )
        return cls(control, process, log)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        if not self._is_begun:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def get_ready(self) -> None:
        """Come back when everything is loaded.

        Raises:
            RunFailed: it cannot be.
        """
        self._said()

    def begin(self, wanted: Iterable[Wanted]) -> Iterator[Member]:
        """Begin agents. Signals that ask this process to end wait until all are known who are to be ended then.

        Raises:
            RunFailed: the process that is copied has ended.
        """
        asked = [one._asdict() | {"environment": {**one.environment}} for one in wanted]
        self._is_begun = True
        with contextlib.suppress(OSError):  # one that has gone is met by who reads its answer
            self._control.sendall(f"{json.dumps(asked)}\n".encode())
        for _ in asked:
            yield Member(self, int(self._said()))

    def code_of(self, agent: int) -> int | None:
        """Exit code of an agent, None while it goes on. If nobody is left who could tell, it was killed."""
        while not self._is_orphan and select.select([self._control], [], [], 0.0)[0]:
            self._hear()
        while b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            pid, code = map(int, line.split())
            self._codes[pid] = code
        if self._is_orphan and agent not in self._codes and is_gone(agent):
            self._codes[agent] = -signal.SIGKILL
        return self._codes.get(agent)

    def wait(self, seconds: float) -> None:
        """Come back when something is told, or after so long."""
        select.select([] if self._is_orphan else [self._control], [], [], seconds)

    def _said(self) -> str:
        """The next line; waits for it."""
        while b"\n" not in self._heard and not self._is_orphan:
            self._hear()
        if self._is_orphan:
            failed = "the process that agents are copies of has ended"
            raise RunFailed(failed, where=str(self._log), remedy="the log says why; the same command tries again")
        line, _, self._heard = self._heard.partition(b"\n")
        return line.decode()

    def _hear(self) -> None:
        try:
            more = self._control.recv(4096)
        except ConnectionError:
            more = b""
        self._heard += more
        self._is_orphan = not more


class Member:
    """An agent; the words of `subprocess.Popen`. It leads a session of its own."""

    def __init__(self, crew: Crew, pid: int) -> None:
        self._crew, self.pid = crew, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that has ended it; None while it goes on."""
        self.returncode = self._crew.code_of(self.pid)
        return self.returncode

    def send_signal(self, number: int, /) -> None:
        """Send it a signal; nobody gets it if it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        while (code := self.poll()) is None:
            self._crew.wait(LOOK_SECONDS)
        return code


def serve(number: int, departure: Departure) -> None:
    """Load everything, begin agents, and tell how they end; in an agent and in its template: be that.

    Args:
        number: descriptor of the socket.
        departure: of this process and of the copies, registered before anything else.
    """
    from kag.cli.template import become, depart, load

    code = code_state()
    load()
    with socket.socket(fileno=number) as control:
        wanted = _begun(control)
    if wanted is None:
        departure.code = 0
        return
    os.setsid()
    with open(wanted.log, "ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    become(["agent", *wanted.words], wanted.environment, _SCRIPT)
    template = _template(code, departure)
    if template is not None:
        depart(departure, template)


def _begun(control: socket.socket) -> Wanted | None:
    """Begin agents and see them end. In an agent: what it is to be; in their parent, at the end: None."""
    from kag.cli.template import fork

    control.sendall(b"ready\n")
    with control.makefile("r", encoding="utf-8") as lines:
        asked = lines.readline()
    agents = set()
    for one in json.loads(asked or "[]"):
        child = fork()
        if child == 0:
            return Wanted(**one)
        agents.add(child)
        control.sendall(f"{child}\n".encode())
    while agents:
        child, status = os.wait()
        agents.discard(child)
        with contextlib.suppress(OSError):  # agents may outlive who has called them
            control.sendall(f"{child} {os.waitstatus_to_exitcode(status)}\n".encode())
    return None


def _template(code: CodeState, departure: Departure) -> Template | None:
    """A copy of this process for its trials; None in the copy, when it has done its work."""
    from kag.cli.template import fork, work

    control, other = socket.socketpair()
    child = fork()
    if child:
        other.close()
        return Template(control, Forked(child), code)
    control.close()
    work(other, departure)
    return None
