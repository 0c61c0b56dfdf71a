"""The processes of a run: what Lightning is told of them, and whether all of them have come."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch.distributed import DistError

from kag.errors import RunFailed
from kag.track.world import LAUNCHED, World, rank_of, started
from kag.train.roll_call import answer_roll, call_roll, find_store

PATIENCE = timedelta(seconds=40)
"""How long processes that a launcher has started wait for one another, before there is anything else to wait for."""

REMEDY = "under SLURM ask for one task a device, or export SLURM_JOB_NAME=interactive: one starts all"


class Processes(ClusterEnvironment):
    """The processes of one machine as kag knows them. Lightning looks into no variable and finds no launcher itself."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._size = world.processes or 1
        self._rank = rank_of(world, os.environ)
        self._started = world.launcher != "lightning" or self._rank > 0
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
        return self._rank

    def set_global_rank(self, rank: int) -> None:
        """It is known."""

    def local_rank(self) -> int:
        """Number of this process on the machine, which is the only one."""
        return self._rank

    def node_rank(self) -> int:
        """Number of the machine."""
        return 0


@contextmanager
def launching() -> Iterator[None]:
    """Processes that are started inside the block know by whom.

    Lightning says the rest to them by this process's own environment. Nothing of it stays there: what trains next in
    this process would take itself for one of them, and start others in the name of whatever program this is.
    """
    before = dict(os.environ)
    os.environ[LAUNCHED] = "1"
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def meeting_place(world: World) -> tuple[str, int]:
    """Address and port at which the processes of a run meet."""
    here, port = "127.0.0.1", os.environ.get("MASTER_PORT")
    if world.launcher == "torchrun":
        return os.environ.get("MASTER_ADDR", here), int(port or 12910)
    if world.launcher == "slurm":
        return here, int(port or 15000 + int(os.environ.get("SLURM_JOB_ID", "0")[-4:]))
    if world.launcher == "lightning":
        return here, int(port) if port and rank_of(world, os.environ) else free_port()
    return here, 0


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def gathered(world: World) -> Iterator[None]:
    """All processes that a launcher should have started are there, and inside the block none of them goes.

    Raises:
        RunFailed: the launcher has started too few or too many, on several machines, one does not come, or has gone.
    """
    if world.launcher in ("torchrun", "slurm"):
        _meet(world)
    try:
        yield
    except RuntimeError as error:
        # What gloo raises has no class of its own.
        if isinstance(error, DistError) or "/gloo/" in str(error):
            raise _gone(world) from error
        raise


def _gone(world: World) -> RunFailed:
    remedy = "what it said is the cause; was it killed, or out of memory?"
    return RunFailed(f"another of the {world.processes} processes of this run has gone", remedy=remedy)


def _meet(world: World) -> None:
    count, machines = started(world, os.environ)
    if count != world.processes:
        raise RunFailed(f"trainer.devices asks for {world.processes} processes, {count} run", remedy=REMEDY)
    if machines > 1:
        raise RunFailed(f"the {count} processes are on {machines} machines", remedy="ask for one machine with all GPUs")
    rank, (address, port) = rank_of(world, os.environ), meeting_place(world)
    patience = PATIENCE.total_seconds()
    try:
        if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
            find_store(address, port, patience)
        elif rank == 0:
            call_roll(port, count, patience)
        else:
            answer_roll(port, rank, patience)
    except TimeoutError as error:
        raise RunFailed(
            f"process {rank} of {count} has waited {PATIENCE.seconds} seconds for the others at {address}:{port}",
            remedy=f"start all {count} at once by {'srun' if world.launcher == 'slurm' else 'torchrun'}; {REMEDY}",
        ) from error
    except ConnectionError as error:
        raise _gone(world) from error
    except OSError as error:
        raise RunFailed(
            f"the processes of this run cannot meet at port {port}: {error.strerror}",
            remedy="name a free one in MASTER_PORT",
        ) from error
