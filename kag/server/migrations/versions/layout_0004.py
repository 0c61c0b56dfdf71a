"""Layout 4: changes of a project are numbered; what is there counts as its first change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From layout 3."""
    for name in ("seq", "removed"):
        op.add_column("projects", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE projects SET seq = 1")
    unnumbered = sa.text("changed = 0")
    for table in ("runs", "sweeps"):
        op.add_column(table, sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"))
        op.execute(f"UPDATE {table} SET changed = 1")
        op.create_index(f"{table}_by_change", table, ["project_id", "changed"])
        name = f"{table}_unnumbered"
        op.create_index(name, table, ["project_id"], sqlite_where=unnumbered, postgresql_where=unnumbered)
