"""The next point of a search, by what SQL knows of its trials; only a model of them has to read them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from kag.server.store import count
from kag.server.tables import FROM_BEFORE, trials
from kag.server.trials import trials_of
from kag.sweep import Params, Sweep, Trial
from kag.sweep.suggest import Suggest, capped, next_of_grid, random_point


def next_point(
    connection: Connection, row: Mapping[str, Any], sweep: Sweep, size: int, suggest: Suggest
) -> Params | None:
    """The point after the trials of a sweep, or None if the search is at its end.

    Args:
        row: the sweep.
        size: its trials.
        suggest: asked where a model of all trials is needed.
    """
    if sweep.method == "bayes":
        return suggest(sweep, trials_of(connection, row["id"]), row["seed"])
    if sweep.run_cap is not None and capped(sweep, size - _prior(connection, row["id"])):
        return None
    if _target_reached(connection, row["id"], sweep):
        return None
    if sweep.method == "random":
        return random_point(sweep, size, row["seed"])
    return next_of_grid(sweep, lambda digest: _is_taken(connection, row["id"], digest), _last(connection, row["id"]))


def _prior(connection: Connection, sweep_id: int) -> int:
    """Trials whose runs were there before the sweep: all others had an attempt."""
    return count(connection, trials, FROM_BEFORE, sweep_id=sweep_id)


def _target_reached(connection: Connection, sweep_id: int, sweep: Sweep) -> bool:
    """See `kag.sweep.suggest.target_reached`."""
    metric = sweep.metric
    if metric is None or metric.target is None:
        return False
    good = trials.c.result >= metric.target if metric.goal == "maximize" else trials.c.result <= metric.target
    return (
        connection.execute(select(trials.c.number).where(trials.c.sweep_id == sweep_id, good).limit(1)).first()
        is not None
    )


def _is_taken(connection: Connection, sweep_id: int, digest: str) -> bool:
    query = select(trials.c.number).filter_by(sweep_id=sweep_id, digest=digest).limit(1)
    return connection.execute(query).first() is not None


def _last(connection: Connection, sweep_id: int) -> Params | None:
    """The point that was given out last."""
    given = (trials.c.sweep_id == sweep_id, trials.c.attempt > 0)
    query = select(trials.c.body).where(*given).order_by(trials.c.number.desc()).limit(1)
    body = connection.execute(query).scalar()
    return None if body is None else Trial.model_validate_json(body).params
