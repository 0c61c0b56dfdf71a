"""Layout 8: deleted runs are kept aside for a day, in no project; a project keeps views of its table by name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """From layout 7."""
    _let_runs_be_in_no_project()
    op.create_table(
        "trash",
        sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("project_id", sa.Integer, _to_project(), nullable=False),
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id", ondelete="SET NULL")),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("deleted_at", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_trash_sweep_id", "trash", ["sweep_id"], if_not_exists=True)
    op.create_index("trash_by_age", "trash", ["project_id", "deleted_at"], if_not_exists=True)
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project_id", sa.Integer, _to_project(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("first", sa.Boolean, nullable=False),
        sa.Column("user", sa.String(128), nullable=False, server_default=""),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.UniqueConstraint("project_id", "name"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("ix_saved_views_project_id", "saved_views", ["project_id"], if_not_exists=True)


def _to_project() -> sa.ForeignKey:
    return sa.ForeignKey("projects.id", ondelete="CASCADE")


def _let_runs_be_in_no_project() -> None:
    """SQLite makes the table anew for it; which numbers have been given out is kept: none is given twice."""
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("runs", "project_id", existing_type=sa.Integer(), nullable=True)
        return
    connection = op.get_bind()
    given = connection.execute(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")).scalar()
    with op.batch_alter_table("runs", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("project_id", existing_type=sa.Integer(), nullable=True)
    connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'runs'"))
    if given is not None:
        connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('runs', :given)"), {"given": given})
