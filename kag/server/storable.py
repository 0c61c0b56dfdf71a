"""What no database keeps, refused before any of them sees it: so each request comes to the same on all of them.

PostgreSQL has no NUL in a text, SQLite no whole number beyond 64 bits, and neither half of a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Engine, event

from kag.server.faults import Fault


def refuse_unstorable(engine: Engine) -> None:
    """Make statements with values that some database does not take raise a Fault."""

    @event.listens_for(engine, "before_cursor_execute")
    def _check(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        for row in parameters if many else (parameters,):
            check(row.values() if isinstance(row, Mapping) else row)


def check(values: Iterable[Any]) -> None:
    """Hold values of one statement against what databases keep.

    Raises:
        Fault: one is beyond them.
    """
    for value in values:
        if isinstance(value, str):
            if "\x00" in value:
                raise Fault("a text holds a NUL, which no text here may")
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                raise Fault("a text holds half of a surrogate pair")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise Fault(f"{str(value)[:40]} is beyond every number here")
