"""The processes of a run: what Lightning is told of them, and whether all of them have come."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch.distributed import DistError, TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store

from kag.errors import RunFailed
from kag.track.world import World, rank_of, started

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
    # Lightning meets at the same place: the store must stay until the end of the block.
    store = _meet(world) if world.launcher in ("torchrun", "slurm") else None
    try:
        yield
    except RuntimeError as error:
        # What gloo raises has no class of its own.
        if isinstance(error, DistError) or "/gloo/" in str(error):
            raise RunFailed(
                f"another of the {world.processes} processes of this run has gone",
                remedy="what it said is the cause; was it killed, or out of memory?",
            ) from error
        raise
    finally:
        del store


def _meet(world: World) -> Store:
    count, machines = started(world, os.environ)
    if count != world.processes:
        raise RunFailed(f"trainer.devices asks for {world.processes} processes, {count} run", remedy=REMEDY)
    if machines > 1:
        raise RunFailed(f"the {count} processes are on {machines} machines", remedy="ask for one machine with all GPUs")
    return _call_roll(world, count, rank_of(world, os.environ))


def _call_roll(world: World, count: int, rank: int) -> Store:
    address, port = meeting_place(world)
    try:
        if rank > 0:
            _wait_for_first(address, port)
        store = _open(address, port, count, rank)
        store.set(str(rank), "here")
        store.wait([str(other) for other in range(count)], PATIENCE)
    except (DistError, TimeoutError) as error:
        raise RunFailed(
            f"process {rank} of {count} has waited {PATIENCE.seconds} seconds for the others at {address}:{port}",
            remedy=f"start all {count} at once by {'srun' if world.launcher == 'slurm' else 'torchrun'}; {REMEDY}",
        ) from error
    return store


def _open(address: str, port: int, count: int, rank: int) -> Store:
    """The place where the processes meet, open as soon as the first is there: a store that waits for all of them while
    it is made is torn down half made when one does not come.

    torchrun may keep the store itself, also over its restarts.
    """
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = TCPStore(
        address,
        port,
        count,
        is_master=rank == 0 and not kept,
        timeout=PATIENCE,
        wait_for_workers=False,
        multi_tenant=True,
    )
    return PrefixStore(f"kag/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def _wait_for_first(address: str, port: int) -> None:
    """torch waits too, but twice as long, and prints what its C++ code was doing."""
    end = time.monotonic() + PATIENCE.total_seconds()
    while True:
        try:
            socket.create_connection((address, port), timeout=PATIENCE.total_seconds()).close()
            return
        except OSError as error:
            if time.monotonic() > end:
                raise TimeoutError from error
            time.sleep(0.1)
