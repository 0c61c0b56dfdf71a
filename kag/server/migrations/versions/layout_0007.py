"""Layout 7: what heartbeats ask of many trials has columns; a sweep knows which changes of its runs it has seen."""

from __future__ import annotations

import json
import math

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_AT_ONCE = 1000


def upgrade() -> None:
    """From layout 6. Every sweep looks at all of its trials once, which fills its bands."""
    op.add_column("sweeps", sa.Column("absorbed", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("runs_of_sweep_by_change", "runs", ["sweep_id", "changed"])
    op.add_column("trials", sa.Column("holder", sa.String(64)))
    for name in ("lease_until", "result"):
        op.add_column("trials", sa.Column(name, sa.Float))
    for name in ("attempt", "failures"):
        op.add_column("trials", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    _fill(op.get_bind())
    op.create_index("ix_trials_holder", "trials", ["holder"])
    op.create_index("trials_by_lease", "trials", ["sweep_id", "lease_until"])
    op.create_index("trials_by_state", "trials", ["sweep_id", "state", "failures"])
    op.create_index("trials_by_digest", "trials", ["sweep_id", "digest"])
    before = sa.text("attempt = 0")
    op.create_index("trials_from_before", "trials", ["sweep_id"], sqlite_where=before, postgresql_where=before)
    op.create_table(
        "bands",
        sa.Column("sweep_id", sa.Integer, sa.ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("band", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("loss", sa.Float, nullable=False),
        if_not_exists=True,
    )
    op.create_index("bands_by_loss", "bands", ["sweep_id", "band", "loss"], if_not_exists=True)


def _fill(connection: sa.Connection) -> None:
    trials = sa.table("trials", *map(sa.column, ("sweep_id", "number", "body", *_COLUMNS)))
    key = (trials.c.sweep_id == sa.bindparam("its_sweep"), trials.c.number == sa.bindparam("its_number"))
    filled = trials.update().where(*key).values({name: sa.bindparam(f"its_{name}") for name in _COLUMNS})
    rows = connection.execute(sa.select(trials.c.sweep_id, trials.c.number, trials.c.body)).all()
    for start in range(0, len(rows), _AT_ONCE):
        some = [
            {"its_sweep": sweep, "its_number": number, **{f"its_{key}": value for key, value in _of(body).items()}}
            for sweep, number, body in rows[start : start + _AT_ONCE]
        ]
        connection.execute(filled, some)


_COLUMNS = ("holder", "lease_until", "attempt", "failures", "result")


def _of(body: str) -> dict[str, object]:
    trial = json.loads(body)
    leased = trial["state"] == "leased"
    logged = trial.get("value") if trial.get("value") is not None else (trial.get("history") or [None])[-1]
    result = None if logged is None else float(logged)
    return {
        "holder": trial["agent"] if leased else None,
        "lease_until": trial["lease_until"] if leased else None,
        "attempt": trial["attempt"],
        "failures": trial["failures"],
        "result": result if result is not None and math.isfinite(result) else None,
    }
