"""Layout 2: keys have roles, a project and an end; what is made has an owner; ended log-ins and an audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OWNED = ("sweeps", "agents", "collections", "artifacts")


def upgrade() -> None:
    """From layout 1. Keys of before keep every right; what nobody is known to have made is nobody's."""
    op.add_column("api_keys", sa.Column("role", sa.String(16), nullable=False, server_default="admin"))
    op.add_column("api_keys", sa.Column("entity", sa.String(128)))
    op.add_column("api_keys", sa.Column("project", sa.String(128)))
    op.add_column("api_keys", sa.Column("expires_at", sa.Float))
    for name in OWNED:
        op.add_column(name, sa.Column("user", sa.String(128), nullable=False, server_default=""))
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
        if_not_exists=True,
    )
    words = {"user": 128, "action": 64, "entity": 128, "project": 128}
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Float, nullable=False),
        *(sa.Column(name, sa.String(length), nullable=False) for name, length in words.items()),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("what", "detail")),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
