"""The roll call: threads stand for processes, the sockets are real."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from kag.errors import RunFailed
from kag.track.world import World
from kag.train.processes import free_port, gathered
from kag.train.roll_call import answer_roll, call_roll, find_store
from tests.jobs import TORCHRUN
from tests.train.test_processes import set_all

LONG = 60.0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_get_in_whoever_comes_first_and_may_meet_again(order: tuple[int, ...]) -> None:
    port = free_port()

    def come(rank: int) -> None:
        call_roll(port, 3, LONG) if rank == 0 else answer_roll(port, rank, LONG)

    with ThreadPoolExecutor(3) as pool:
        for _ in range(2):
            list(pool.map(come, order))
    with socket.create_server(("127.0.0.1", port)):
        """The port is free again for what Lightning opens there."""


def test_strangers_are_passed_over() -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call_roll, port, 2, LONG)
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"7\n", b"0\n", b"-1\n"):
            find_store("127.0.0.1", port, LONG)
            with closing(socket.create_connection(("127.0.0.1", port))) as stranger:
                stranger.sendall(said)
        assert not first.done()
        answer_roll(port, 1, LONG)
        first.result()


def test_waiting_ends() -> None:
    with pytest.raises(TimeoutError):
        call_roll(free_port(), 2, 0.05)
    with pytest.raises(TimeoutError):
        answer_roll(free_port(), 1, 0.05)
    with pytest.raises(TimeoutError):
        find_store("127.0.0.1", free_port(), 0.05)


def test_the_meeting_place_of_torchrun_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        set_all(
            monkeypatch,
            TORCHRUN | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(port)},
        )
        with (
            pytest.raises(RunFailed, match=f"cannot meet at port {port}.*"),
            gathered(World(launcher="torchrun", processes=2)),
        ):
            pytest.fail("the port is taken")
        monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
        with gathered(World(launcher="torchrun", processes=2)):
            """It is open, so torchrun runs."""
