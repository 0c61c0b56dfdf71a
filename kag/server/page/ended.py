"""Log-ins that somebody has ended: their cookies open nothing any more, wherever a copy of one is."""

from __future__ import annotations

from sqlalchemy import Connection

from kag.server.page.session import Session
from kag.server.store import count, upsert
from kag.server.tables import ended_sessions


def end(connection: Connection, session: Session, *, now: float) -> None:
    """A log-in is over. Those that would be over by themselves are forgotten."""
    connection.execute(ended_sessions.delete().where(ended_sessions.c.until < now))
    upsert(connection, ended_sessions, [{"id": session.id, "until": session.until}], key=["id"], update=[])


def has_ended(connection: Connection, session: Session) -> bool:
    """Whether somebody has logged out of it."""
    return count(connection, ended_sessions, id=session.id) > 0
