"""The roll call of the processes that a launcher has started: each has come, or one says that they have not.

torch has a store for such meetings, but where somebody did not come, processes that had one open died without a word
now and then, and what it says otherwise is what its C++ code was doing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

COMPLETE = b"all\n"
_PAUSE = 0.1
"""Seconds between two tries to reach a process that does not listen yet."""
_STRANGER = 1.0
"""Seconds that whoever connects has to say its rank."""


def call_roll(port: int, count: int, patience: float) -> None:
    """The first process waits at a port of this machine until all others have come, then tells them so.

    Args:
        port: The port at which they look for it.
        count: Number of the processes, this one among them.
        patience: Seconds until it is given up.

    Raises:
        TimeoutError: not all have come in time.
        ConnectionError: one that had come has gone before the last one came.
        OSError: the port cannot be had.
    """
    end = time.monotonic() + patience
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", port), backlog=count))
        present: dict[int, socket.socket] = {}
        while present.keys() != set(range(1, count)):
            server.settimeout(_left(end))
            one = stack.enter_context(server.accept()[0])
            rank = _rank_said(one)
            if rank is not None and 0 < rank < count:
                present[rank] = one
        for one in present.values():
            one.sendall(COMPLETE)


def answer_roll(port: int, rank: int, patience: float) -> None:
    """Another process tells the first that it is there, and waits until all are.

    Raises:
        TimeoutError: the first is not there, or not all have come in time.
    """
    for left in _tries(patience):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=left) as first:
                first.sendall(f"{rank}\n".encode())
                if first.recv(len(COMPLETE), socket.MSG_WAITALL) == COMPLETE:
                    return
        except ConnectionError:
            continue


def find_store(address: str, port: int, patience: float) -> None:
    """The meeting place that torchrun itself keeps is open: it has started all.

    Raises:
        TimeoutError: nobody is there.
    """
    for left in _tries(patience):
        try:
            socket.create_connection((address, port), timeout=left).close()
            return
        except OSError:
            continue


def _tries(patience: float) -> Iterator[float]:
    """Seconds that are left, before each of the tries; then TimeoutError."""
    end = time.monotonic() + patience
    while True:
        yield _left(end)
        time.sleep(_PAUSE)


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _rank_said(one: socket.socket) -> int | None:
    """What whoever has connected says to be, or None: anybody may look at an open port."""
    one.settimeout(_STRANGER)
    try:
        with one.makefile("rb") as said:
            return int(said.readline(16))
    except (OSError, ValueError):
        return None
