"""What has changed: every transaction that changes runs or sweeps of a project gives them the project's next number.

A project's numbers are in the order in which transactions end: who takes one holds the project's row until its own has
ended. So whoever knows all up to a number misses nothing by asking for what is above it, through whatever process it
was changed. The number is taken last of all: nobody who holds a project waits for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Connection, Engine, bindparam, event, literal, select, union

from kag.server.tables import projects, runs, sweeps

NUMBERED = (runs, sweeps)
_NOTED = "kag_noted"

_PROJECT: BindParameter[int] = bindparam("project")
_SEQ: BindParameter[int] = bindparam("seq")
_CHANGED = union(
    *(select(table.c.project_id, literal(at)).where(table.c.changed == 0) for at, table in enumerate(NUMBERED))
)
_TAKES = projects.update().filter_by(id=_PROJECT).values(seq=projects.c.seq + 1).returning(projects.c.seq)
_REMOVES = _TAKES.values(removed=projects.c.seq + 1)
_NUMBERS = tuple(table.update().filter_by(project_id=_PROJECT, changed=0).values(changed=_SEQ) for table in NUMBERED)


@dataclass
class _Noted:
    """What a transaction has done so far."""

    removed: set[int] = field(default_factory=set)
    """Projects that it has taken something out of."""
    changes: bool = False
    """Whether it may have changed a row that is to be numbered."""


def noting() -> dict[str, Any]:
    """Execution options of a connection whose transaction is to be numbered."""
    return {_NOTED: _Noted()}


def note_changes(engine: Engine) -> None:
    """Let transactions note whether they may have changed anything: most heartbeats of agents have not."""

    @event.listens_for(engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        noted = connection.get_execution_options().get(_NOTED)
        if noted is not None and not statement.startswith("SELECT"):
            noted.changes = noted.changes or any(table.name in statement for table in NUMBERED)


def note_removal(connection: Connection, project_id: int) -> None:
    """Remember that this transaction takes runs or sweeps out of a project: no row is left that could say so."""
    connection.get_execution_options()[_NOTED].removed.add(project_id)


def number_changes(connection: Connection) -> None:
    """Number what this transaction has changed."""
    noted = connection.get_execution_options()[_NOTED]
    found = {(project, at) for project, at in connection.execute(_CHANGED)} if noted.changes else set()
    for project in sorted({number for number, _ in found} | noted.removed):
        taken = _REMOVES if project in noted.removed else _TAKES
        seq = connection.scalar(taken, {"project": project})
        for at, numbers in enumerate(_NUMBERS):
            if (project, at) in found:
                connection.execute(numbers, {"project": project, "seq": seq})
