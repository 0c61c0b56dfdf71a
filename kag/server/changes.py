"""What has changed: every transaction that changes runs or sweeps of a project gives them the project's next number.

A project's numbers are in the order in which transactions end: who takes one holds the project's row until its own has
ended. So whoever knows all up to a number misses nothing by asking for what is above it, through whatever process it
was changed. The number is taken last of all: nobody who holds a project waits for anything else.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, literal, select, union

from kag.server.tables import projects, runs, sweeps

NUMBERED = (runs, sweeps)
_REMOVED = "kag_removed"


def noting_removals() -> dict[str, Any]:
    """Execution options of a connection whose transaction is to be numbered."""
    return {_REMOVED: set()}


def note_removal(connection: Connection, project_id: int) -> None:
    """Remember that this transaction takes runs or sweeps out of a project: no row is left that could say so."""
    connection.get_execution_options()[_REMOVED].add(project_id)


def number_changes(connection: Connection) -> None:
    """Number what this transaction has changed."""
    removed = connection.get_execution_options()[_REMOVED]
    changed = [select(literal(at), table.c.project_id).where(table.c.changed == 0) for at, table in enumerate(NUMBERED)]
    found = {(at, project) for at, project in connection.execute(union(*changed))}
    for project in sorted({number for _, number in found} | removed):
        taken = {"seq": projects.c.seq + 1} | ({"removed": projects.c.seq + 1} if project in removed else {})
        connection.execute(projects.update().filter_by(id=project).values(taken))
        seq = select(projects.c.seq).filter_by(id=project).scalar_subquery()
        for at, table in enumerate(NUMBERED):
            if (at, project) in found:
                ours = table.update().filter_by(project_id=project, changed=0)
                connection.execute(ours.values(changed=seq))
