"""Log-ins by a link that works once: for whoever can read the database anyway, so that no key is typed.

A ticket is 160 random bits, kept as a digest like a key, and gone with its first use.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection

from kag.server.keys import KEY_BYTES, digest_of, key_named
from kag.server.store import find
from kag.server.tables import tickets

PATH = "/login/once"
TICKET_SECONDS = 600
"""A link that nobody has used by then opens nothing."""


def new_ticket(connection: Connection, user: str, *, now: float) -> str:
    """The path of a link that logs somebody in with a key of this name; those that have expired go."""
    ticket = secrets.token_hex(KEY_BYTES)
    connection.execute(tickets.delete().where(tickets.c.until < now))
    connection.execute(tickets.insert().values(digest=digest_of(ticket), user=user, until=now + TICKET_SECONDS))
    return f"{PATH}/{ticket}"


def take_up(connection: Connection, ticket: str, *, now: float) -> str | None:
    """Who a ticket logs in, once; None if it has been used, has expired or was never made, or the key is revoked."""
    found = find(connection, tickets, digest=digest_of(ticket), lock=True)
    if found is None or connection.execute(tickets.delete().filter_by(digest=found["digest"])).rowcount != 1:
        return None
    user = str(found["user"])
    return user if found["until"] >= now and key_named(connection, user, now=now) is not None else None
