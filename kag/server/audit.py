"""What was deleted, stopped or steered, by whom and when: rows that stay when the thing is gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, select

from kag.server.rights import Thing
from kag.server.store import all_rows
from kag.server.tables import audit


def note(connection: Connection, user: str, action: str, thing: Thing, *, now: float, detail: str = "") -> None:
    """Something was done. It is kept in the transaction that does it, or not at all."""
    entity, project = thing.place or ("", "")
    row = {"at": now, "user": user, "action": action, "entity": entity, "project": project, "what": thing.what}
    connection.execute(audit.insert().values(**row, detail=detail))


def trail(connection: Connection, last: int) -> Sequence[RowMapping]:
    """The newest entries, the oldest of them first."""
    newest = all_rows(connection, select(audit).order_by(audit.c.id.desc()).limit(last))
    return newest[::-1]
