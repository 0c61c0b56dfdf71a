"""The company of the processes of a run: all have come, hear why one ends, and have the same spec, data and code.

Where Lightning starts the others it ends them with the first, and they start where the first one has come to.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import torch
from torch.distributed import DistError

from kag.errors import KagError, RunFailed
from kag.spec.flat import digest
from kag.track.code import TRAINING, code_digest
from kag.track.launch import LAUNCHED, LOOPBACK, start_command
from kag.track.world import World, launch
from kag.train.processes import AGENT_STORE, at_port, free_port, meeting_place
from kag.train.roll_call import Gone, Lines, Word, answer_roll, call_roll
from kag.train.task import Task

PATIENCE = timedelta(seconds=40)
"""How long processes that a launcher has started wait for one another to come."""

LAST_WORDS = 5.0
"""Seconds in which who has gone is known, once torch has missed it."""

STATE = "state"
"""What the first process tells the others: the state from which the run goes on, or nothing."""

PORT = "port"
"""And at which port torch finds the first process: each time another one."""

_CAUSE = "what it said is the cause; was it killed, or out of memory?"


def facts_of(task: Task) -> dict[str, str]:
    """What has to be the same on all processes of a run, by what it is called."""
    return {"spec": digest(task.spec), "data file": task.sites.digest, "code": code_digest(*TRAINING)}


class Company:
    """The processes of a run as this one knows them, from the moment when all have come.

    Args:
        world: of the run.
        lines: to the others; None where no launcher has started them. (Lightning ends its own with the first.)
    """

    def __init__(self, world: World, lines: Lines | None) -> None:
        self._count = world.processes
        self._launch = launch(world, os.environ)
        self._lines = lines
        # In the order of their numbers, each once.
        others = dict(sorted(lines.hosts.items())).values() if lines else ()
        self.hosts = tuple(dict.fromkeys([socket.gethostname(), *others]))
        """Where they run, as the first process knows it."""

    def meet(self, told: Mapping[str, str]) -> dict[str, str]:
        """Wait until all processes have come to this point of the run.

        Args:
            told: facts of this process. What the first one has, too, must be the same.

        Returns:
            Those of the first process.

        Raises:
            RunFailed: one has ended, or has other facts.
        """
        if self._lines is None:
            return dict(told) if self._launch.rank == 0 else {STATE: os.environ.get(LAUNCHED, "")}
        try:
            if self._launch.rank:
                self._lines.say(self._word(told))
                return dict(self._lines.hear()[0].told)
            for word in self._lines.hear().values():
                self._require_same(told, word)
        except Gone as gone:
            raise self._gone(gone) from gone
        self._lines.say(self._word(told))
        return dict(told)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside the block each needs the others: who has gone is named.

        Raises:
            RunFailed: one has gone.
        """
        told = self.meet({PORT: str(free_port())} if self._launch.rank == 0 else {})
        try:
            with at_port(told[PORT]) if self._lines else nullcontext():
                yield
        except RuntimeError as error:
            # What gloo raises has no class of its own.
            if isinstance(error, DistError) or "/gloo/" in str(error):
                raise self._missed() from error
            raise

    def ended(self, error: Exception) -> None:
        """Tell the others why this one ends; each word is said once, the last one too."""
        if self._lines is not None:
            what = error.what if isinstance(error, KagError) else f"{type(error).__name__}: {error}"
            where = f"{error.where}: " if isinstance(error, KagError) and error.where else ""
            self._lines.say(self._word({}, failed=f"{where}{what}".split("\n", 1)[0]))

    def _word(self, told: Mapping[str, str], failed: str | None = None) -> Word:
        return Word(self._launch.rank, socket.gethostname(), dict(told), failed)

    def _require_same(self, told: Mapping[str, str], word: Word) -> None:
        for name, value in told.items():
            if word.told.get(name, value) != value:
                raise RunFailed(
                    f"process {word.rank} on {word.host} has another {name} than the first on {socket.gethostname()}",
                    remedy="all processes need the same spec, data and code: one shared folder, or equal copies",
                )

    def _missed(self) -> RunFailed:
        try:
            if self._lines is not None:
                self._lines.require_all(LAST_WORDS)
        except Gone as gone:
            return self._gone(gone)
        return _someone(self._count)

    def _gone(self, gone: Gone) -> RunFailed:
        if gone.failed is None and gone.host is None:
            return _someone(self._count)
        on = f" on {gone.host}" if gone.host else ""
        why = f": {gone.failed}" if gone.failed else ""
        what = f"process {gone.rank} of {self._count}{on} has gone{why}"
        return RunFailed(what, remedy=None if gone.failed else _CAUSE)


def _someone(count: int | None) -> RunFailed:
    return RunFailed(f"another of the {count} processes of this run has gone", remedy=_CAUSE)


@contextmanager
def gathered(world: World) -> Iterator[Company]:
    """All processes that a launcher has started are there; inside the block each hears why another one ends.

    Raises:
        RunFailed: one does not come in time.
    """
    lines = _meet(world) if world.launcher in ("torchrun", "slurm") else None
    company = Company(world, lines)
    try:
        yield company
    except Exception as error:
        company.ended(error)
        raise
    finally:
        if lines is not None:
            lines.close()


def _meet(world: World) -> Lines:
    own, count = launch(world, os.environ), world.processes or 1
    address, port = meeting_place(world)
    word, patience = Word(own.rank, socket.gethostname()), PATIENCE.total_seconds()
    try:
        place = _Place(world, address, port)
        if own.rank == 0:
            return call_roll(place.opened(count), word, count, patience)
        return answer_roll(place.found, word, patience)
    except TimeoutError as error:
        start = start_command(own.launcher, world.nodes or 1, world.devices)
        raise RunFailed(
            f"process {own.rank} of {count} has waited {PATIENCE.seconds} seconds for the others at {address}:{port}",
            remedy=f"start all {count} at once: {start}",
        ) from error
    except OSError as error:
        raise RunFailed(
            f"the processes of this run cannot meet at port {port}: {error.strerror}",
            remedy="name a free one in MASTER_PORT",
        ) from error


class _Place:
    """Where the first process listens: at the port of the run, or, where torchrun has that itself, at one told there.

    torchrun keeps a store at that port for as long as it runs, whichever of its processes are there.
    """

    def __init__(self, world: World, address: str, port: int) -> None:
        far = (world.nodes or 1) > 1
        self._store_at, self._port = address, port
        self._listens, self._address = ("", address) if far else (LOOPBACK, LOOPBACK)
        self._has_store = os.environ.get(AGENT_STORE) == "True"
        self._key = f"kag/roll call/{os.environ.get('TORCHELASTIC_RUN_ID')}"

    def opened(self, count: int) -> socket.socket:
        """A socket that listens, which others can find."""
        if not self._has_store:
            return socket.create_server((self._listens, self._port), backlog=count)
        server = socket.create_server((self._listens, 0), backlog=count)
        self._store(PATIENCE.total_seconds()).set(self._key, str(server.getsockname()[1]))
        return server

    def found(self, left: float) -> tuple[str, int]:
        """Address and port of the first process.

        Raises:
            ConnectionRefusedError: it has not told yet.
        """
        if not self._has_store:
            return self._address, self._port
        store = self._store(left)
        if not store.check([self._key]):
            raise ConnectionRefusedError
        return self._address, int(store.get(self._key))

    def _store(self, patience: float) -> Any:
        wait = timedelta(seconds=patience)
        try:
            return torch.distributed.TCPStore(  # type: ignore[attr-defined]  # torch does not list it
                self._store_at, self._port, is_master=False, timeout=wait, wait_for_workers=False
            )
        except DistError as error:
            raise TimeoutError from error
