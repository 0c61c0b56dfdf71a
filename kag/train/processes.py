"""The processes of a run: what Lightning is told of them, and what they are told where Lightning starts them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

from kag.track.launch import LAUNCHED, LOOPBACK, first_host, meeting_port
from kag.track.world import World, launch

AGENT_STORE = "TORCHELASTIC_USE_AGENT_STORE"
"""Whether torchrun keeps the store at which torch's processes meet."""


class Processes(ClusterEnvironment):
    """The processes of a run as kag knows them. Lightning looks into no variable and finds no launcher itself."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._size = world.processes or 1
        self._launch = launch(world, os.environ)
        self._started = world.launcher != "lightning" or self._launch.rank > 0
        self._address, self._port = meeting_place(world)

    @property
    def creates_processes_externally(self) -> bool:
        """Whether nobody is left to be started."""
        return self._started

    @property
    def main_address(self) -> str:
        """Where the processes meet."""
        return self._address

    @property
    def main_port(self) -> int:
        """Where the processes meet."""
        return self._port

    @staticmethod
    def detect() -> bool:
        """It is never looked for."""
        return False

    def world_size(self) -> int:
        """Number of the processes."""
        return self._size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        """Number of this process."""
        return self._launch.rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Number of this process on its node."""
        return self._launch.local_rank

    def node_rank(self) -> int:
        """Number of the node."""
        return self._launch.node_rank


@contextmanager
def launching(state: Path | None) -> Iterator[None]:
    """Processes that are started inside the block know by whom, and from which state the run goes on.

    Lightning says the rest to them by this process's own environment. Nothing of it stays there: what trains next in
    this process would take itself for one of them, and start others in the name of whatever program this is.
    """
    with _environment({LAUNCHED: told_state(state)}):
        yield


@contextmanager
def at_port(port: str) -> Iterator[None]:
    """Inside the block torch's processes meet at a port of their own.

    In the store that torchrun keeps they would find, after a restart, where those that have gone were.
    """
    with _environment({"MASTER_PORT": port, AGENT_STORE: "False"}):
        yield


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def told_state(state: Path | None) -> str:
    """How another process is told from which state the run goes on; nothing where it begins."""
    return "" if state is None else str(state.absolute())


def meeting_place(world: World) -> tuple[str, int]:
    """Address and port at which the processes of a run meet."""
    if world.launcher in ("torchrun", "slurm"):
        return first_host(os.environ, world.nodes or 1), meeting_port(os.environ)
    if world.launcher == "lightning":
        port = os.environ.get("MASTER_PORT")
        return LOOPBACK, int(port) if port and launch(world, os.environ).rank else free_port()
    return LOOPBACK, 0


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])
