"""The address that clients and browsers know a server by: that of the request, or of the proxy in front of it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request

from kag.errors import UserError

PORTS = {"http": 80, "https": 443}


class Base(NamedTuple):
    """`https://tracking.example.org/kag`, in its parts."""

    scheme: str
    host: str
    """With the port, where it is not the scheme's own."""
    path: str = ""
    """Begins with a slash, and ends with none; empty at the root."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def secure(self) -> bool:
        """Whether what is sent there is encrypted."""
        return self.scheme == "https"

    @property
    def name(self) -> str:
        """The host without its port."""
        return urlsplit(f"//{self.host}").hostname or ""

    @property
    def port(self) -> int:
        """The port, also where the address does not say it."""
        return urlsplit(f"//{self.host}").port or PORTS[self.scheme]

    def inside(self, path: str) -> str:
        """A path as the routes have it. Who asks the server itself, without the proxy, need not know of the base's."""
        return path.removeprefix(self.path) if path.startswith(f"{self.path}/") else path


def parse_base(text: str) -> Base:
    """The base of a URL.

    Raises:
        UserError: it is none.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    odd = parts.query or parts.fragment or parts.username or any(letter in text for letter in " \\\"'<>")
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or odd:
        raise UserError(
            f"{text!r} is no address of a server", where="--base-url", nearest="https://tracking.example.org"
        )
    return Base(parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"))


def base_of(request: Request, known: Base | None) -> Base:
    """Where the sender of a request reaches this server: what its operator says, else where the request came in."""
    return known or Base(request.url.scheme, request.headers["host"])
