"""Connections: what does not come or is not taken is given up, there is a place for who comes, and a stop is one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from kag.server.connections import ENDLESS, MOST_WAITING, Joined, Protocol, backlog, places
from kag.server.faults import Fault
from kag.server.pace import Pace, Paced
from kag.server.serve import options


async def never() -> Any:
    await asyncio.Event().wait()


def test_a_body_that_does_not_come_is_given_up() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(Fault, match="too slowly") as caught:
        asyncio.run(Paced(app, Pace(patience=0.0))({"type": "http"}, never, never))
    assert caught.value.status == 408


def test_a_body_that_trickles_is_given_up_though_each_piece_is_in_time() -> None:
    read: list[int] = []

    async def trickle() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            read.append(len((await receive())["body"]))

    with pytest.raises(Fault, match="too slowly"):
        asyncio.run(Paced(app, Pace(patience=0.05, slowest=1e9))({"type": "http"}, trickle, never))
    assert read


def test_who_does_not_take_an_answer_is_let_go() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body"})

    async def stuck(message: Any) -> None:
        await never()

    with pytest.raises(ClientDisconnect):
        asyncio.run(Paced(app, Pace(patience=0.0))({"type": "http"}, never, stuck))


async def endless() -> AsyncIterator[str]:
    yield "retry: 1\n"
    await never()


@contextmanager
def served_by(protocol: type[Protocol]) -> Iterator[tuple[str, int]]:
    """A server in a thread that answers 204 to everything, and tells news without an end; its address."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"].endswith(ENDLESS):
            await StreamingResponse(endless())(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="off", **(options() | {"http": protocol, "timeout_graceful_shutdown": None}))
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "a server that is told to stop stops"


HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-a: "
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_half_a_header_has_its_time() -> None:
    class Hasty(Protocol):
        header_seconds = 0.05

    with served_by(Hasty) as address:
        for before, begun in ((b"", b""), (b"", HALF), (WHOLE, HALF)):
            with socket.create_connection(address, timeout=60) as client:
                client.sendall(before)
                assert not before or b"204" in client.recv(1000)
                client.sendall(begun)
                assert client.recv(1000) == b""


def test_who_comes_last_gets_the_place_of_who_is_idle_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.server.connections.places", lambda descriptors: 3)
    with served_by(Protocol) as address, ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(3)]
        for client in held:
            client.sendall(WHOLE)
            assert b"204" in client.recv(1000)
        with socket.create_connection(address, timeout=60) as last:
            last.sendall(WHOLE)
            assert b"204" in last.recv(1000)
        assert held[0].recv(1000) == b""
        held[1].sendall(WHOLE)
        assert b"204" in held[1].recv(1000)


def test_an_unfinished_body_does_not_keep_a_server_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kag.server.connections.LAST_SECONDS", 0.05)
    with ExitStack() as stack, served_by(Protocol) as address:
        client = stack.enter_context(socket.create_connection(address, timeout=60))
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        with socket.create_connection(address, timeout=60) as other:
            other.sendall(WHOLE)
            assert b"204" in other.recv(1000), "the request before it has been seen, too"


def test_a_page_that_waits_for_news_does_not_keep_a_server_from_stopping() -> None:
    with ExitStack() as stack, served_by(Protocol) as address:
        page = stack.enter_context(socket.create_connection(address, timeout=60))
        page.sendall(f"GET /kag/p{ENDLESS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        with page.makefile("rb") as told:
            assert any(b"retry: 1" in line for line in told)


@pytest.mark.parametrize("descriptors", [64, 256, 1024, 1_000_000])
def test_few_descriptors_are_never_used_up(descriptors: int) -> None:
    assert places(descriptors) + 4 * backlog(descriptors) <= descriptors


class Noted:
    """A transport that notes what is written."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append("end")


def test_an_answer_leaves_by_one_call_of_the_system() -> None:
    async def answers() -> list[Any]:
        transport: Any = Noted()
        joined = Joined(transport, asyncio.get_running_loop())
        joined.write(b"head ")
        joined.write(b"body")
        assert transport.said == []
        await asyncio.sleep(0)
        assert transport.said == [b"head body"]
        joined.write(b"x" * (MOST_WAITING + 1))
        assert len(transport.said) == 2, "what is long does not wait"
        joined.write(b"last")
        joined.close()
        await asyncio.sleep(0)
        return transport.said[2:]

    assert asyncio.run(answers()) == [b"last", "end"]


def test_no_packet_waits_until_the_one_before_is_acknowledged() -> None:
    found: list[int] = []

    class Noting(Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            found.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with served_by(Noting) as address, socket.create_connection(address) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 204")
    assert found == [1]
