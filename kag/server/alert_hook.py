"""`kag serve --alert-url`: alerts of runs are posted to an address, beside everything else that the server does."""

from __future__ import annotations

import json
import logging
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from kag.errors import UserError
from kag.server.base import PORTS

log = logging.getLogger("kag.server")

WAITING = 256
"""Alerts that wait to be posted; those that come while so many do are dropped: no client waits for them."""
PATIENCE = 10.0
"""Seconds that the address may take for one, and that the end of the server waits for the rest."""

Alert = Mapping[str, Any]
"""What is posted: entity, project, run, name, title, text, level, created_at (seconds since the epoch) and url."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """An alert goes where the operator has said, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirect: it is then an error, of its status."""


class AlertHook:
    """Posts alerts, one after another, from a thread of its own.

    Args:
        url: where to; it may hold a secret, so only its host is ever told.
        patience: seconds for one.

    Raises:
        UserError: the URL is none of http or https.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self.host = _host_of(url)
        self._url = url
        self._patience = patience
        self._opener = urllib.request.build_opener(_Stay)
        self._waiting: queue.Queue[Alert | None] = queue.Queue(WAITING)
        self._failing = False

    @contextmanager
    def posting(self) -> Iterator[None]:
        """Post what comes while the block runs; at its end, what still waits, within `patience`."""
        thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            try:
                self._waiting.put(None, timeout=self._patience)
                thread.join(self._patience)
            except queue.Full:
                self._failed("does not answer")

    def post(self, alert: Alert) -> None:
        """Have an alert posted, which takes no time here."""
        try:
            self._waiting.put_nowait(alert)
        except queue.Full:
            self._failed(f"is too slow: {WAITING} alerts wait for it, and further ones are dropped")

    def _work(self) -> None:
        while (alert := self._waiting.get()) is not None:
            self._send(alert)

    def _send(self, alert: Alert) -> None:
        body = json.dumps(alert).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        try:
            with self._opener.open(request, timeout=self._patience):
                self._failing = False
        except urllib.error.HTTPError as error:
            error.close()
            self._failed(f"answered {error.code}")
        except (OSError, HTTPException, ValueError) as error:
            # The text of an error may hold the address, and with it a secret.
            self._failed(f"cannot be reached ({type(error).__name__})")

    def _failed(self, how: str) -> None:
        """Say it once, until one gets through again."""
        if not self._failing:
            log.warning("alerts: %s %s; runs are not held up, and this is said once", self.host, how)
        self._failing = True


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in PORTS and parts.port != 0 else None
    except ValueError:
        host = None
    if not host or not url.isascii() or any(letter.isspace() or not letter.isprintable() for letter in url):
        raise UserError("this is no address that takes alerts", where="--alert-url", nearest="https://example.org/hook")
    return host
