"""What a request can be told. A fault is the request's, never the server's: it becomes a 4xx or a GraphQL error."""

from __future__ import annotations

from typing import TypeVar

from kag.errors import KagError

T = TypeVar("T")


class Fault(KagError):
    """A request that cannot be served.

    Args:
        what: said to the client.
        status: HTTP status, 400 to 499.
    """

    def __init__(self, what: str, *, status: int = 400) -> None:
        super().__init__(what)
        self.status = status


class NotFound(Fault):
    """What the request names does not exist."""

    def __init__(self, what: str) -> None:
        super().__init__(what, status=404)


class Refused(Fault):
    """What is asked for is not served, and its user must read why.

    A GraphQL client gets it with the status 200: of a 4xx, clients up to 0.26 show the number alone.
    """


class Forbidden(Fault):
    """The key may not do this. A GraphQL client is told as of `Refused`."""

    def __init__(self, what: str) -> None:
        super().__init__(what, status=403)


def needed(value: T | None, what: str) -> T:
    """What was looked up.

    Raises:
        NotFound: it is None; `what` is said to the client.
    """
    if value is None:
        raise NotFound(what)
    return value
