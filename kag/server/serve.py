"""Binding to an address: loopback unless the traffic is encrypted or somebody has said that it need not be."""

from __future__ import annotations

import contextlib
import errno
import gc
import ipaddress
import shlex
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from kag.errors import OutputRefused, UserError
from kag.server.connections import Protocol, backlog, descriptors

GRACE_SECONDS = 10
"""What a server waits at its end for requests that are going on: somebody waits for its end."""


def options() -> dict[str, Any]:
    """How uvicorn serves, in a process with so many descriptors as this one may have."""
    return {
        "backlog": backlog(descriptors()),
        "log_level": "warning",
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "server_header": False,
        "http": Protocol,
        "ws": "none",
    }


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_ways_in(host: str, *, certificate: Path | None, key: Path | None, insecure: bool, proxies: str) -> None:
    """Refuse a way to be reached that is unsafe, or cannot work.

    Raises:
        UserError: as `check_address`, `check_certificate` and `check_proxies`.
    """
    check_address(host, certificate=certificate, key=key, insecure=insecure)
    check_certificate(certificate, key)
    check_proxies(proxies)


def check_proxies(addresses: str) -> None:
    """Refuse a list of proxies that would be passed over in silence.

    Raises:
        UserError: one of them is neither an address nor a network.
    """
    for word in (one.strip() for one in addresses.split(",")):
        try:
            if word != "*":
                ipaddress.ip_network(word)
        except ValueError as error:
            raise UserError(
                f"{word!r} is neither an address nor a network",
                where="--forwarded-allow-ips",
                nearest="127.0.0.1, 172.16.0.0/12, or *",
            ) from error


def check_address(host: str, *, certificate: Path | None, key: Path | None, insecure: bool) -> None:
    """Refuse to send keys and data over a network in clear text.

    Raises:
        UserError: the address is open and nothing protects it, or only half of a TLS pair is given.
    """
    if (certificate is None) is not (key is None):
        raise UserError("TLS needs a certificate and its key", remedy="give --tls-cert and --tls-key, or neither")
    if certificate is None and not is_loopback(host) and not insecure:
        raise UserError(
            f"will not serve on {host} in clear text: API keys would cross the network unprotected",
            remedy="give --tls-cert and --tls-key, or --insecure behind a proxy that encrypts, or serve on 127.0.0.1",
        )


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Read both halves of a TLS pair.

    Raises:
        UserError: one is missing or may not be read, is no PEM file, needs a password, or they do not belong together.
    """
    if certificate is None or key is None:
        return
    for path in (certificate, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise UserError(f"cannot read this TLS file: {error.strerror}", where=str(path)) from error
    try:
        # Without a password here OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise UserError(
            "this is no certificate (PEM) with its own key, without a password",
            where=f"{certificate}, {key}",
            remedy=f"{_openssl('x509', certificate, '-subject')}; {_openssl('pkey', key)}",
        ) from error


def _openssl(kind: str, file: Path, *words: str) -> str:
    return shlex.join(("openssl", kind, "-in", str(file), "-noout", *words))


def listening(host: str, port: int) -> socket.socket:
    """Take a port; whoever connects waits from now on until somebody serves.

    Raises:
        UserError: the port is taken or not for this user, or no address of this machine is called so.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise UserError(
            f"cannot listen at port {port}: {'another process has it' if taken else error.strerror}",
            where=host,
            remedy="end the other process, or choose another port by --port" if taken else "see --host and --port",
        ) from error


class _Telling(uvicorn.Server):
    """Says that it serves once signals end it: before, Python may drop a SIGINT that comes while modules are loaded.

    Where nobody hears that, it ends as it would by a signal.
    """

    def __init__(self, config: uvicorn.Config, tell: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = tell
        self.unheard: OSError | OutputRefused | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            try:
                self._tell()
            except (OSError, OutputRefused) as error:
                self.unheard, self.should_exit = error, True
                await self.shutdown(sockets)


def serve(
    app: ASGIApp,
    taken: socket.socket,
    *,
    tell: Callable[[], None],
    proxies: str,
    certificate: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve what comes in at a socket until SIGINT or SIGTERM.

    Args:
        tell: is called when it does.
        proxies: addresses that are believed whom they speak for, and whether that is encrypted.

    Raises:
        OSError, OutputRefused: what `tell` raises.
    """
    # What is loaded stays; a collection, for which everybody waits, need not walk through it.
    gc.freeze()
    words = {"ssl_certfile": certificate, "ssl_keyfile": key, "forwarded_allow_ips": proxies, **options()}
    server = _Telling(uvicorn.Config(app, proxy_headers=True, **words), tell)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[taken])
    if server.unheard is not None:
        raise server.unheard


def serve_until(app: ASGIApp, listening: socket.socket, over: Callable[[], None]) -> None:
    """Serve what comes in at a socket until a function returns, which waits in a thread; or until SIGTERM."""
    server = uvicorn.Server(uvicorn.Config(app, **options()))

    def watch() -> None:
        over()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listening])
