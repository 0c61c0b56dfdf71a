"""The lines between the processes that a launcher has started: each has come, and says so when it cannot go on.

The first process holds one to each of the others, from before any of them has read its data to the end of the run: who
fails says why, and who is killed, or whose host is gone, is missed at once. torch knows neither before all have joined
its group, for which it waits half an hour; and where somebody did not come, processes that had one of torch's stores
open died without a word now and then.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from types import MappingProxyType
from typing import NamedTuple

_PAUSE = 0.1
"""Seconds between two tries to reach a process that does not listen yet."""
_STRANGER = 1.0
"""Seconds that whoever connects has to say its rank."""
_LONGEST = 65536
"""Bytes of a word."""
_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""A host that has gone without a word is missed after half a minute."""


class Word(NamedTuple):
    """What a process says to the others."""

    rank: int
    host: str
    told: Mapping[str, str] = MappingProxyType({})
    """Facts by name."""
    failed: str | None = None
    """Why it has ended."""


class Gone(Exception):
    """A process has ended.

    Args:
        rank: of it.
        host: where it ran, if that is known.
        failed: what it said; None where it had no time to.
    """

    def __init__(self, rank: int, host: str | None, failed: str | None) -> None:
        self.rank, self.host, self.failed = rank, host, failed
        super().__init__(rank)


class Lines:
    """Open lines to other processes, by rank, and where these run."""

    def __init__(self, open_: Mapping[int, socket.socket], words: Mapping[int, Word], stack: ExitStack) -> None:
        self._open = dict(open_)
        self.hosts = {rank: word.host for rank, word in words.items()}
        self._stack = stack

    def say(self, word: Word) -> None:
        """Tell all; who is gone is not told."""
        for one in self._open.values():
            with suppress(OSError):
                one.sendall(_text(word))

    def hear(self) -> dict[int, Word]:
        """The next word of each, however long it takes.

        Raises:
            Gone: one has ended.
        """
        words: dict[int, Word] = {}
        while missing := self._open.keys() - words.keys():
            for rank in self._ready(missing, None):
                words[rank] = self._heard(rank)
        return words

    def require_all(self, patience: float) -> None:
        """That none has ended, as far as that shows within some seconds.

        Raises:
            Gone: one has.
        """
        for rank in self._ready(self._open.keys(), patience):
            self._heard(rank)

    def close(self) -> None:
        """Hang up. What nobody has listened to is taken: else the system resets the line, and what was said is lost."""
        for line in self._open.values():
            with suppress(OSError):
                line.recv(_LONGEST, socket.MSG_DONTWAIT)
        self._stack.close()

    def _heard(self, rank: int) -> Word:
        word = _word(self._open[rank])
        if word is None or word.failed is not None:
            raise Gone(rank, self.hosts.get(rank), word.failed if word else None)
        return word

    def _ready(self, ranks: AbstractSet[int], patience: float | None) -> list[int]:
        by_line = {self._open[rank]: rank for rank in ranks}
        return sorted(by_line[line] for line in select.select(list(by_line), [], [], patience)[0])


def call_roll(server: socket.socket, own: Word, count: int, patience: float) -> Lines:
    """The first process waits until all others have come, then tells them so.

    Args:
        server: where they look for it; closed when they are there.
        own: its word.
        count: number of the processes, this one among them.
        patience: seconds until it is given up.

    Raises:
        TimeoutError: not all have come in time.
    """
    end = time.monotonic() + patience
    with ExitStack() as stack:
        present: dict[int, socket.socket] = {}
        words: dict[int, Word] = {}
        with server:
            while present.keys() != set(range(1, count)):
                server.settimeout(_left(end))
                one = stack.enter_context(server.accept()[0])
                word = _introduced(one)
                if word is not None and 0 < word.rank < count:
                    present[word.rank], words[word.rank] = one, word
        lines = Lines(present, words, stack.pop_all())
    lines.say(own)
    return lines


def answer_roll(find: Callable[[float], tuple[str, int]], own: Word, patience: float) -> Lines:
    """Another process tells the first that it is there, and waits until all are.

    Args:
        find: where the first one listens, asked anew before each try; told how many seconds are left.
        own: its word.
        patience: seconds until it is given up.

    Raises:
        TimeoutError: the first is not there, or not all have come in time.
    """
    for left in _tries(patience):
        with suppress(ConnectionError, socket.gaierror), ExitStack() as stack:
            line = stack.enter_context(socket.create_connection(find(left), timeout=left))
            line.sendall(_text(own))
            first = _word(line)
            if first is not None and first.rank == 0:
                _watched(line)
                return Lines({0: line}, {0: first}, stack.pop_all())
    raise AssertionError("the tries end by TimeoutError")


def _watched(line: socket.socket) -> None:
    """Wait for words as long as it takes, but notice that the other host is gone."""
    line.settimeout(None)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _ALIVE.items():
        if hasattr(socket, name):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _introduced(one: socket.socket) -> Word | None:
    """What whoever has connected says to be, or None: anybody may look at an open port."""
    one.settimeout(_STRANGER)
    try:
        word = _word(one)
    except OSError:
        return None
    _watched(one)
    return word


def _text(word: Word) -> bytes:
    return json.dumps({**word._asdict(), "told": dict(word.told)}).encode() + b"\n"


def _word(line: socket.socket) -> Word | None:
    """The next word; None where the other end has hung up, or is a stranger. No byte of a later one is taken."""
    text = bytearray()
    try:
        while not text.endswith(b"\n"):
            byte = line.recv(1)
            if not byte or len(text) > _LONGEST:
                return None
            text += byte
        word = Word(**json.loads(text))
    except (ConnectionError, ValueError, TypeError):
        return None
    return word if isinstance(word.rank, int) else None


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
