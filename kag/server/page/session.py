"""Who looks: a signed cookie after a log-in by API key, and a token for every form.

The cookie says whose key opened the page. Whether that key is still in force is asked at every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from kag.server.faults import Fault
from kag.server.links import claim_of, token_of

LIFETIME = 7 * 24 * 3600
"""Seconds that a log-in lasts."""


@dataclass(frozen=True)
class Session:
    """A person who is logged in."""

    user: str
    """Name of the key."""
    csrf: str
    """What a form of this log-in has to send along."""
    id: str
    until: float
    """When it is over by itself."""


@dataclass(frozen=True)
class Sessions:
    """Makes and reads log-ins."""

    secret: bytes
    """The server's; what is signed here is valid for nothing else, and the other way round."""

    def open(self, user: str, *, now: float) -> str:
        """The value of a cookie."""
        return token_of(self._key("session"), {"user": user, "id": secrets.token_hex(16)}, until=now + LIFETIME)

    def read(self, cookie: str, *, now: float) -> Session | None:
        """The log-in of a cookie, or None if it was not made here, or not by this version, or has expired."""
        try:
            claim = claim_of(self._key("session"), cookie, now=now)
        except Fault:
            return None
        if "id" not in claim:
            return None
        return Session(str(claim["user"]), self.form_token(cookie), str(claim["id"]), float(claim["until"]))

    def form_token(self, cookie: str) -> str:
        """What a form must send that a page with this cookie has shown."""
        return hmac.new(self._key("form"), cookie.encode(), hashlib.sha256).hexdigest()

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self.secret, f"page {purpose}".encode(), hashlib.sha256)
