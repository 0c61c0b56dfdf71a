"""Patience with wrong keys: counted in the database, so that several servers are no more patient than one."""

from __future__ import annotations

from sqlalchemy import Connection

from kag.server.faults import Fault
from kag.server.keys import key_of
from kag.server.rights import Key
from kag.server.store import count, take_turns
from kag.server.tables import ADDRESS, wrong_keys

ATTEMPTS = 10
"""Wrong keys from one address within a window, after which it has to wait."""

WINDOW = 60.0
"""Seconds."""


def tried(connection: Connection, address: str, word: str, *, now: float) -> Key | None:
    """The key that somebody types, or None if it is wrong, which counts.

    Args:
        connection: a transaction that writes.
        address: where it comes from.
        word: what was typed.
        now: seconds since the epoch.

    Raises:
        Fault: too many keys from this address were wrong.
    """
    address = address[:ADDRESS]
    take_turns(connection, "log in")  # many at once would all be let through before one of them counts
    connection.execute(wrong_keys.delete().where(wrong_keys.c.at <= now - WINDOW))
    if count(connection, wrong_keys, address=address) >= ATTEMPTS:
        raise Fault(f"too many wrong keys; try again in {WINDOW:g} seconds", status=429)
    key = key_of(connection, word, now=now)
    if key is None:
        connection.execute(wrong_keys.insert().values(address=address, at=now))
    return key
