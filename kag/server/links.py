"""Signed links to files: whoever holds one may do the one thing it says, as with any object store.

A link ends when it expires, when its key opens nothing any more, or when what it belongs to is gone: see
`kag.server.claims` and `kag.server.storage`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kag.server.faults import Fault

LIFETIME = 24 * 3600.0


@dataclass(frozen=True)
class Links:
    """Makes links for one server address."""

    secret: bytes
    by: str
    """Name of the key that they are made for: whether it may still do that is asked when a file is sent."""
    base: str
    """`http://host:port`, and behind it the path of the server if it has one, as the client sees it."""

    def make(self, claim: dict[str, Any], name: str, *, now: float) -> str:
        """A link that carries a claim; the name at its end is for people and for the client's file suffix."""
        token = token_of(self.secret, {**claim, "by": self.by}, until=now + LIFETIME)
        return f"{self.base}/storage/{token}/{quote(name.rsplit('/', 1)[-1] or 'file')}"


def token_of(secret: bytes, claim: dict[str, Any], *, until: float) -> str:
    """A claim that only the holder of the secret can make; `claim_of` reads it."""
    body = _pack(json.dumps({**claim, "until": int(until)}, separators=(",", ":")).encode())
    return f"{body}.{_sign(secret, body)}"


def claim_of(secret: bytes, token: str, *, now: float) -> dict[str, Any]:
    """What a token says: that of a link, or of a log-in.

    Raises:
        Fault: the link was not made here, or it has expired.
    """
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(_sign(secret, body).encode(), signature.encode()):
        raise Fault("this link was not made here", status=403)
    claim: dict[str, Any] = json.loads(_unpack(body))
    if claim["until"] < now:
        raise Fault("this link has expired", status=403)
    return claim


def _sign(secret: bytes, body: str) -> str:
    return _pack(hmac.digest(secret, body.encode(), hashlib.sha256))


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpack(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Fault("this link is damaged", status=403) from error
