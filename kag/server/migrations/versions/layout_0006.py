"""Layout 6: the runs of a project are listed by their age without looking at all of them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """From layout 5."""
    op.create_index("runs_by_age", "runs", ["project_id", "created_at", "id"])
