"""Layout 3: wrong keys are counted for all servers of a database together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """From layout 2."""
    op.create_table(
        "wrong_keys",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("ix_wrong_keys_address", "wrong_keys", ["address"], if_not_exists=True)
