"""The lines between processes: threads stand for these, the sockets are real."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from kag.errors import DataError, RunFailed
from kag.track.world import World
from kag.train.company import Company, gathered
from kag.train.processes import free_port
from kag.train.roll_call import Gone, Lines, Word, answer_roll, call_roll
from tests.jobs import SLURM_STEP, TORCHRUN
from tests.train.test_processes import set_all

LONG = 60.0


def come(port: int, rank: int, count: int, patience: float = LONG) -> Lines:
    """A process comes to the roll call."""
    word = Word(rank, f"host{rank}")
    if rank == 0:
        return call_roll(socket.create_server(("127.0.0.1", port)), word, count, patience)
    return answer_roll(lambda _: ("127.0.0.1", port), word, patience)


def together(act: Callable[[Lines, int], object], count: int, order: tuple[int, ...]) -> list[object]:
    """What each of several processes, which come in this order, makes of its lines."""
    port = free_port()

    def one(rank: int) -> object:
        with closing(come(port, rank, count)) as lines:
            try:
                return act(lines, rank)
            except Gone as gone:
                return gone

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, order))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_get_in_whoever_comes_first_and_know_where_the_others_are(order: tuple[int, ...]) -> None:
    hosts = together(lambda lines, rank: lines.hosts, 3, order)
    assert hosts[order.index(0)] == {1: "host1", 2: "host2"}
    assert hosts[order.index(2)] == {0: "host0"}


def test_words_come_in_their_order_and_one_by_one() -> None:
    def talk(lines: Lines, rank: int) -> object:
        for number in range(3):
            lines.say(Word(rank, "h", {"number": str(number)}))
        return [[word.told["number"] for word in lines.hear().values()] for _ in range(3)]

    assert together(talk, 3, (0, 1, 2)) == [
        [["0"] * 2, ["1"] * 2, ["2"] * 2],
        [["0"], ["1"], ["2"]],
        [["0"], ["1"], ["2"]],
    ]


def test_the_port_is_free_for_torch_while_the_lines_are_open() -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(come, port, 0, 2)
        with closing(come(port, 1, 2)), closing(first.result()), socket.create_server(("127.0.0.1", port)):
            """It could be had."""


@pytest.mark.parametrize("failed", [None, "no such file: a.h5"])
def test_who_ends_is_missed_at_once_with_what_it_said(failed: str | None) -> None:
    def act(lines: Lines, rank: int) -> object:
        if rank == 1:
            if failed:
                lines.say(Word(rank, "host1", failed=failed))
            return None
        return lines.hear()

    first = together(act, 2, (0, 1))[0]
    assert isinstance(first, Gone)
    assert (first.rank, first.host, first.failed) == (1, "host1", failed)


STRANGE = (b"", b"GET / HTTP/1.1\r\n\r\n", b"7\n", b"{}\n", b'{"rank": 0, "host": "x"}\n', b'{"rank": "1"}\n')


def reached(port: int) -> socket.socket | None:
    """A line to a port, once somebody listens there."""
    with suppress(ConnectionRefusedError):
        return socket.create_connection(("127.0.0.1", port))
    return None


def test_strangers_are_passed_over() -> None:
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(come, port, 0, 2)
        for said in (
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"7\n",
            b"{}\n",
            b'{"rank": 0, "host": "x"}\n',
            b'{"rank": "1"}\n',
        ):
            while True:
                try:
                    stranger = socket.create_connection(("127.0.0.1", port))
                except ConnectionRefusedError:
                    continue
                break
            with closing(stranger):
                stranger.sendall(said)
        assert not first.done()
        come(port, 1, 2).close()
        first.result().close()


def test_waiting_ends() -> None:
    with pytest.raises(TimeoutError):
        come(free_port(), 0, 2, 0.05)
    with pytest.raises(TimeoutError):
        come(free_port(), 1, 2, 0.05)


WORLD = World(launcher="slurm", processes=2, nodes=1)


def company(rank: int, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> Company:
    """The company as the process of a rank knows it."""
    set_all(monkeypatch, SLURM_STEP | {"SLURM_NTASKS": "2", "SLURM_PROCID": str(rank)})
    return Company(WORLD, lines)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Company, Company]]:
    """The first of two processes and the other one."""
    port = free_port()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(come, port, 0, 2)
        with closing(come(port, 1, 2)) as other, closing(first.result()) as lines:
            yield company(0, lines, monkeypatch), company(1, other, monkeypatch)


def test_the_others_hear_what_the_first_says(both: tuple[Company, Company]) -> None:
    first, other = both
    assert first.hosts == (socket.gethostname(), "host1")
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(other.meet, {"data file": "a"})
        assert first.meet({"data file": "a", "state": "last.ckpt"})["state"] == "last.ckpt"
        assert heard.result()["state"] == "last.ckpt"


def test_another_data_file_on_one_host_is_refused_and_the_other_hears_of_it(both: tuple[Company, Company]) -> None:
    first, other = both
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(other.meet, {"data file": "b"})
        with pytest.raises(RunFailed, match=r"process 1 on .* has another data file than the first") as refused:
            first.meet({"data file": "a", "state": ""})
        first.ended(refused.value)
        with pytest.raises(RunFailed, match=r"process 0 of 2 on host0 has gone: process 1 on .* has another data"):
            heard.result()


def test_a_missing_file_on_one_host_ends_all_with_its_name(both: tuple[Company, Company]) -> None:
    first, other = both
    other.ended(DataError("there is no such file", where="/data/a.h5"))
    with pytest.raises(RunFailed, match=r"process 1 of 2 on host1 has gone: /data/a\.h5: there is no such file"):
        first.meet({"state": ""})


def test_who_has_gone_in_training_is_named_where_torch_names_nobody(both: tuple[Company, Company]) -> None:
    first, other = both

    def miss() -> None:
        with first.together():
            other.ended(ValueError("out of it"))
            raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Connection closed by peer")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(other.meet, {})
        with pytest.raises(RunFailed, match="process 1 of 2 on host1 has gone: ValueError: out of it"):
            miss()


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        set_all(monkeypatch, TORCHRUN | {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(port)})
        with (
            pytest.raises(RunFailed, match=f"cannot meet at port {port}.*"),
            gathered(World(launcher="torchrun", processes=2)),
        ):
            pytest.fail("the port is taken")
