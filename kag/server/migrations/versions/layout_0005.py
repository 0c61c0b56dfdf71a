"""Layout 5: a project keeps the metrics that a person wants in its change log, a line each."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From layout 4. Until somebody asks for metrics, kag chooses."""
    op.add_column("projects", sa.Column("changelog_metrics", sa.Text))
