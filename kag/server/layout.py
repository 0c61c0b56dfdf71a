"""Which layout a database has: a number that is kept in it, as alembic keeps it.

Databases of parts 6 to 8 have none: theirs is told by their columns.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from kag.errors import UserError
from kag.server.tables import metadata

STEPS = Path(__file__).parent / "migrations"

UNNUMBERED, FIRST = "0000", "0001"
"""Layouts that were made without a number: of parts 6 and 7, and of part 8."""

_numbers = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_OURS = {"api_keys", "secrets"}
"""Tables that every layout has, and hardly anything else."""


def newest() -> str:
    """The layout that this kag works with."""
    return max(path.stem.removeprefix("layout_") for path in (STEPS / "versions").glob("layout_*.py"))


def layout_of(connection: sa.Connection) -> str | None:
    """The layout of a database; None if there is nothing in it.

    Raises:
        UserError: it holds something else than what kag keeps.
    """
    found = sa.inspect(connection)
    names = set(found.get_table_names())
    if not names:
        return None
    if not names >= _OURS:
        held = ", ".join(sorted(names)[:3])
        raise UserError(f"this is no database of kag: it holds {held}", remedy="give kag a database of its own")
    if _numbers.name in names:
        return str(connection.execute(sa.select(_numbers.c.version_num)).scalar_one())
    columns = {(name, column["name"]) for name in names for column in found.get_columns(name)}
    if ("runs", "resume_asked_at") in columns:
        return UNNUMBERED
    if ("artifacts", "ttl_seconds") in columns:
        return FIRST
    raise UserError("this database has a layout that no release of kag had", remedy="use the kag that made it")


def number(connection: sa.Connection, layout: str) -> None:
    """Say in the database that it has a layout."""
    _numbers.create(connection, checkfirst=True)
    connection.execute(_numbers.delete())
    connection.execute(_numbers.insert().values(version_num=layout))


def make(connection: sa.Connection) -> None:
    """Make the tables in an empty database; if another process was faster, nothing is left to do."""
    if layout_of(connection) is None:
        metadata.create_all(connection)
        number(connection, newest())


def check(found: str) -> None:
    """Whether this kag can work with a layout.

    Raises:
        UserError: it is an older or a newer one.
    """
    if found < newest():
        raise UserError(
            f"this database has layout {found}, and this kag works with {newest()}",
            remedy="start `kag serve` with it once: that makes a copy and migrates it",
        )
    if found > newest():
        raise UserError(
            f"this database has layout {found}, which is newer than {newest()}, the newest that this kag knows",
            remedy="install the kag that migrated it, or go back to the copy that was made before",
        )
