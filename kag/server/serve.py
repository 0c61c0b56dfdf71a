"""Binding to an address: loopback unless the traffic is encrypted or somebody has said that it need not be."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from kag.errors import UserError
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


def serve(app: ASGIApp, *, host: str, port: int, certificate: Path | None = None, key: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM."""
    uvicorn.run(app, host=host, port=port, ssl_certfile=certificate, ssl_keyfile=key, **options())


def serve_until(app: ASGIApp, listening: socket.socket, over: Callable[[], None]) -> None:
    """Serve what comes in at a socket until a function returns, which waits in a thread; or until SIGTERM."""
    server = uvicorn.Server(uvicorn.Config(app, **options()))

    def watch() -> None:
        over()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listening])
