"""The agents of `kag sweep`, one a GPU, that end with what they run when `kag sweep` ends.

`kag agent` for sweeps of `kag train`, `wandb agent` for those of any other program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from types import FrameType
from typing import TYPE_CHECKING

from kag.cli.crew import Crew, Member, Wanted
from kag.errors import ENDING, Interrupted
from kag.fleet.shape import KILLED, PATIENCE
from kag.track.world import THREAD_LIMIT, THREADS

if TYPE_CHECKING:
    from kag.server.embedded import Embedded

NOTICE_SECONDS = 1.0
"""An agent needs this long at most to notice a signal; two that come at once would count as one."""

END_SECONDS = 60.0
"""A trial that was told to end saves its state and ends after its batch, or after the validation that is going on."""

RUN_ID = b"WANDB_RUN_ID="

COPIED_RUN = "kag-run:"
"""What the name of an empty file begins with that a process holds which is a copy of another one: what the system shows
as its environment is that one's."""

_ANY = (sys.executable, "-P", "-m", "wandb", "agent")
_OWN = (sys.executable, "-P", "-c", "from kag.cli.main import main; main()", "agent")

Agent = Popen[bytes] | Member
Agents = Sequence[Agent]
"""Running agents. Each leads a session of its own, to which all that it starts belongs."""


class Started:
    """Agents of this machine, to be watched."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    @property
    def lost(self) -> str | None:
        """Whether a signal has ended one."""
        return KILLED if any((agent.returncode or 0) < 0 for agent in self._agents) else None

    def over(self) -> bool:
        """Whether all have ended."""
        return all(agent.poll() is not None for agent in self._agents)

    def wait(self, seconds: float) -> None:
        """Come back when all have ended, or after so long."""
        wait_for(self._agents, seconds)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Signals that ask kag to end do so by `Interrupted`; once it is ending, further ones are ignored.

    Yields:
        A check to call now and then: what the handler raises may have been caught by a library that was at work.

    Raises:
        Interrupted: with the signal's exit code, whatever else a library has made of it.
    """
    received: list[Interrupted] = []

    def receive(number: int, _: FrameType | None) -> None:
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)
        name = signal.Signals(number).name
        remedy = "the same command continues the sweep"
        received.append(Interrupted(f"{name} received", signal_number=number, remedy=remedy))
        check()

    def check() -> None:
        if received:
            raise received[0]

    former = {number: signal.signal(number, receive) for number in ENDING}
    try:
        yield check
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        check()


@contextmanager
def running_agents(
    path: str,
    environment: Mapping[str, str],
    shares: Sequence[int | None],
    server: Embedded | None = None,
    *,
    runs: Path | None = None,
) -> Iterator[Agents]:
    """Run agents inside the block; whoever still runs at its end is ended with its trial.

    Args:
        path: of the sweep, `entity/project/id`.
        environment: how they reach the server.
        shares: how many trials each one may start; None is no limit.
        server: the embedded one. The agents use it too, and it hears of the trials that are ended with them.
        runs: folder of the run folders, where the trials are kag's own.
    """
    agents: list[Agent] = []
    own, folder = runs is not None, ["--runs", str(runs)] if runs else []
    inherited = () if server is None else (server.users,)
    log_of(path, 0, environment).parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as last:
        wanted = []
        for number, share in enumerate(shares):
            extra = environment_of(number, len(shares), environment, graphics(environment), cores(), own=own)
            words = [*(["--count", str(share)] if share else []), *folder, path]
            wanted.append(Wanted(words, {**environment, **extra}, str(log_of(path, number, environment))))
        try:
            if own and hasattr(os, "fork"):
                crew = last.enter_context(Crew.started(environment, Path(wanted[0].log), inherited))
                crew.get_ready()
                with _held_back():
                    agents.extend(crew.begin(wanted))
            else:
                agents.extend(_start(_OWN if own else _ANY, one, inherited) for one in wanted)
            yield agents
        finally:
            ended = end(agents)
            if server is not None and ended:
                server.interrupt(ended, now=time.time())


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals that ask kag to end come after the block."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def shares_of(agents: int, count: int | None) -> list[int | None]:
    """How many trials each agent may start."""
    if count is None:
        return [None] * agents
    return [share for share in (count // agents + (number < count % agents) for number in range(agents)) if share]


def graphics(environment: Mapping[str, str]) -> list[str]:
    """The GPUs that this process may use, as CUDA names them."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        return [word.strip() for word in environment["CUDA_VISIBLE_DEVICES"].split(",") if word.strip()]
    return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment_of(
    number: int,
    agents: int,
    environment: Mapping[str, str],
    devices: Sequence[str],
    processors: int,
    *,
    own: bool = False,
) -> dict[str, str]:
    """What one agent's environment has of its own: its GPU, its share of the cores, and patience.

    A program that knows no better uses all of its share. kag's own chooses by the shape of its batches, up to it.
    """
    extra = {**PATIENCE}
    if devices:
        extra["CUDA_VISIBLE_DEVICES"] = devices[number % len(devices)]
    if agents > 1 and not environment.keys() & {THREADS, THREAD_LIMIT}:
        extra[THREAD_LIMIT if own else THREADS] = str(max(processors // agents, 1))
    return extra


def _start(program: Sequence[str], wanted: Wanted, inherited: Sequence[int]) -> Popen[bytes]:
    words = [*program, *wanted.words]
    with Path(wanted.log).open("ab") as log:
        return Popen(words, env=wanted.environment, stdout=log, stderr=log, start_new_session=True, pass_fds=inherited)


def end(agents: Agents) -> set[str]:
    """End agents and what they run; the runs that were going on.

    An agent that gets SIGINT waits for its trial; at the second one it sends SIGTERM to it, on which `kag train` saves
    and ends. A trial whose agent is gone gets that SIGTERM here. What is left of an agent's session after a minute is
    killed.
    """
    runs = {run for agent in agents for process in session(agent.pid) for run in runs_of(process)}
    for _ in range(2):
        for agent in agents:
            agent.send_signal(signal.SIGINT)  # to nobody if it has ended
        wait_for(agents, NOTICE_SECONDS)
    wait_for(agents, END_SECONDS)
    orphans = [agent.pid for agent in agents if agent.poll() is not None]
    _signal(orphans, signal.SIGTERM)
    _until(lambda: not any(map(session, orphans)), END_SECONDS)
    _signal([agent.pid for agent in agents], signal.SIGKILL)
    for agent in agents:
        agent.wait()
    return runs


def _signal(sessions: Iterable[int], number: int) -> None:
    for process in [process for leader in sessions for process in session(leader)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def runs_of(process: int) -> list[str]:
    """The run of a sweep that a process was started for, if it was for one; or that a copy of one was made for."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        started = [word.removeprefix(RUN_ID).decode() for word in words if word.startswith(RUN_ID)]
        copied = [name.partition(COPIED_RUN)[2] for name in _open_files(process) if COPIED_RUN in name]
        return [*started, *(name.removesuffix(" (deleted)") for name in copied)]
    return []


def _open_files(process: int) -> Iterator[str]:
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(link)


def log_of(path: str, number: int, environment: Mapping[str, str]) -> Path:
    """Where an agent of a sweep writes what it says."""
    return Path(environment.get("WANDB_DIR", ".")) / "wandb" / f"agent-{path.rsplit('/', 1)[-1]}-{number}.log"


def last_error(log: Path) -> str:
    """What the last trial of an agent's log died of, as the end of a sentence; empty if the log does not say.

    kag's own programs say it behind `error:`, Python's on the last line of a traceback.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    said, inside = "", False
    for line in lines:
        if line.startswith("error: ") or (inside and line and not line[0].isspace()):
            said = line.removeprefix("error: ")
        inside = line.startswith("Traceback ") or (inside and line[:1].isspace())
    return f"; the last one said: {said}" if said else ""


def wait_for(agents: Agents, seconds: float) -> None:
    """Come back when all of them have ended, or after so long."""
    _until(lambda: all(agent.poll() is not None for agent in agents), seconds)


def _until(is_over: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.05)


def session(leader: int) -> list[int]:
    """Processes of a session, whether or not its leader still lives; none where the system does not list them."""
    found = []
    for name in os.listdir("/proc") if Path("/proc/self/stat").exists() else ():
        if name.isdigit():
            with contextlib.suppress(ProcessLookupError):
                found += [int(name)] if os.getsid(int(name)) == leader else []
    return found
