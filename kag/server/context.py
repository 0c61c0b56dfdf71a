"""What every resolver gets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, RowMapping

from kag.server.alert_hook import AlertHook
from kag.server.base import Base
from kag.server.batches import Batches
from kag.server.blobs import Blobs
from kag.server.faults import Fault
from kag.server.held_lists import HeldLists
from kag.server.links import Links
from kag.server.rights import Act, Key, Thing, ask
from kag.sweep import Limits
from kag.sweep.suggest import Suggest, suggest


@dataclass(frozen=True)
class Settings:
    """How a server behaves; nothing here changes while it runs."""

    files: Blobs
    """Where uploaded files lie."""
    entity: str = "kag"
    """Team that a client belongs to when it names none."""
    strict: bool = False
    """Answer unknown GraphQL fields with an error."""
    base: Base | None = None
    """Where clients and browsers reach this server, if not where their requests come in: behind a proxy."""
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "::1"})
    """Host names that a request may be addressed to."""
    max_body: int = 64 * 2**20
    """Bytes of a GraphQL or file_stream request, also after decompression."""
    max_upload: int = 20 * 2**30
    """Bytes of an uploaded file."""
    crashed_after: float = 300.0
    """Seconds of silence after which a running run is shown as crashed."""
    healthy_within: float = 0.8
    """Seconds in which database and disk answer who asks for their health, and is told within one."""
    limits: Limits = field(default_factory=Limits)
    """Patience with agents."""
    alert_hook: AlertHook | None = None
    """Posts what runs alert people to."""


MAX_ID = 2**31 - 1
"""The largest number of a row: PostgreSQL takes no larger one for the key of a table, not even in a question."""

SILENT: Mapping[str, str] = MappingProxyType({"running": "crashed", "preempting": "preempted"})
"""State of a run that may log -> what it is when its process is gone without a word."""


@dataclass(frozen=True)
class Patience:
    """When a run that fell silent counts as crashed."""

    since: float
    """When clients could begin to report to a server: their silence counts from then."""
    crashed_after: float
    """Seconds of silence."""

    def shown_state(self, run: RowMapping, *, now: float) -> str:
        """The state as a client sees it: a run that fell silent has crashed, unless it was to end anyway."""
        state = str(run["state"])
        if state not in SILENT or now - max(run["heartbeat_at"], self.since) <= self.crashed_after:
            return state
        return "killed" if run["should_stop"] else SILENT[state]


@dataclass(frozen=True)
class Context:
    """One request."""

    connection: Connection
    batches: Batches
    settings: Settings
    links: Links
    key: Key
    now: float
    """Seconds since the epoch."""
    since: float
    """When clients could begin to report to a server: their silence counts from then."""
    foresight: Suggest = suggest
    """Gives the next point of a search."""
    writer: str = ""
    """Which of the clients that share a run this is; "" outside of W&B's shared mode."""
    lists: HeldLists = field(default_factory=HeldLists)
    """Lists of runs that stay between their pages."""
    alerts: list[dict[str, Any]] = field(default_factory=list)
    """What the request alerts people to, for whoever posts it once the transaction has ended."""

    @property
    def user(self) -> str:
        """Whose key it is."""
        return self.key.name

    def ask(self, act: Act, thing: Thing) -> None:
        """Let something be done, or raise Forbidden."""
        ask(self.key, act, thing)

    @property
    def patience(self) -> Patience:
        """When a run that fell silent counts as crashed."""
        return Patience(self.since, self.settings.crashed_after)

    def shown_state(self, run: RowMapping) -> str:
        """The state of a run as a client sees it."""
        return self.patience.shown_state(run, now=self.now)


def encode_id(kind: str, number: int) -> str:
    """The opaque id of a row: what the client sends back."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def decode_id(kind: str, text: object) -> int:
    """The row of an id; a Fault if it is no id of this kind."""
    try:
        found, _, number = base64.b64decode(str(text).encode(), validate=True).decode().partition(":")
        if found == kind and number.isascii() and number.isdecimal() and len(number) < 12 and int(number) <= MAX_ID:
            return int(number)
    except (binascii.Error, UnicodeDecodeError, UnicodeEncodeError):
        pass
    raise Fault(f"{text!r} is no id of a {kind.lower()}")
