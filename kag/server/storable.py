"""What no database keeps, refused before any of them sees it: so each request comes to the same on all of them.

PostgreSQL has no NUL in a text and minds the length of a text and of a number, SQLite has no whole number beyond 64
bits, and neither has half of a surrogate pair.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Engine, Integer, SmallInteger, String, event
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from kag.server.faults import Fault


def refuse_unstorable(engine: Engine) -> None:
    """Make statements with values that some database does not take raise a Fault."""

    @event.listens_for(engine, "before_cursor_execute")
    def _check(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        compiled = getattr(context, "compiled", None)
        if not isinstance(compiled, SQLCompiler):
            return
        kinds = _kinds(compiled)
        for row in context.compiled_parameters:
            for name, value in row.items():
                if value is not None:
                    check(value, *kinds.get(name, (None, 63)))


@lru_cache(maxsize=256)
def _kinds(compiled: SQLCompiler) -> dict[str, tuple[int | None, int]]:
    """The bounds of a statement's values by name: worked out once, as the statement itself is."""
    keeps = compiled.isinsert or compiled.isupdate
    return {name: _bounds(bind.type, keeps=keeps) for name, bind in compiled.binds.items()}


def _bounds(kind: TypeEngine[Any], *, keeps: bool) -> tuple[int | None, int]:
    """Letters of a text and bits of a number, without its sign, that a place of a statement takes."""
    letters = kind.length if isinstance(kind, String) and keeps else None
    small = isinstance(kind, Integer) and not isinstance(kind, BigInteger)
    return letters, 15 if isinstance(kind, SmallInteger) else 31 if small else 63


def check(value: Any, letters: int | None, bits: int) -> None:
    """Hold a value, or each of a list, against what databases keep.

    Raises:
        Fault: it is beyond them.
    """
    if isinstance(value, str):
        if "\x00" in value:
            raise Fault("a text holds a NUL, which no text here may")
        if letters is not None and len(value) > letters:
            raise Fault(f"a text has {len(value)} characters where {letters} are kept")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Fault("a text holds half of a surrogate pair") from error
    elif isinstance(value, int) and not -(2**bits) <= value < 2**bits:
        raise Fault(f"a number is beyond the {bits} bits that it may have here")
    elif isinstance(value, (list, tuple)):
        for one in value:
            check(one, letters, bits)
