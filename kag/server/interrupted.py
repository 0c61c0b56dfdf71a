"""Attempts whose processes are known to be gone: nobody has to wait until their silence has told it."""

from __future__ import annotations

from collections.abc import Collection
from signal import SIGTERM

from sqlalchemy import Connection, select

from kag.errors import exit_code_of
from kag.server.tables import runs, trials
from kag.server.trials import kept_columns
from kag.sweep import Limits, Trial, TrialState
from kag.sweep.trial import lose


def interrupt(connection: Connection, names: Collection[str], *, now: float, limits: Limits) -> None:
    """End the runs of attempts as preempted, and give their points back. A run that has ended keeps its end."""
    query = select(trials).where(trials.c.run.in_(names), trials.c.state == TrialState.LEASED).with_for_update()
    for row in connection.execute(query).mappings().all():
        known = Trial.model_validate_json(row["body"])
        lost = lose(known.model_copy(update={"ended": True}), limits)
        changed = trials.update().filter_by(sweep_id=row["sweep_id"], number=row["number"])
        connection.execute(changed.values(**kept_columns(lost)))
    silent = runs.update().where(runs.c.name.in_(names), runs.c.sweep_id.is_not(None), runs.c.state == "running")
    connection.execute(silent.values(state="preempted", exit_code=exit_code_of(SIGTERM), heartbeat_at=now))
