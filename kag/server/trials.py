"""Trials in the database: those that a heartbeat is about, and what it asks of all others."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select, union

from kag.server.store import upsert
from kag.server.tables import agents, attempts, runs, sweeps, trials
from kag.sweep import Sweep, Trial, TrialState
from kag.sweep.step import Waiting, puts_off
from kag.sweep.trial import point_digest

_LIVE = tuple(state.value for state in TrialState if not state.over)
_READ = select(trials.c.body, trials.c.lease_until).order_by(trials.c.number)
_KEPT = ("state", "run", "body", "holder", "lease_until", "attempt", "failures", "result")


def trials_of(connection: Connection, sweep_id: int) -> list[Trial]:
    """The trials of a sweep, in order."""
    return _read(connection, _READ.where(trials.c.sweep_id == sweep_id))


def live_trials(connection: Connection, sweep_id: int, running: Collection[str]) -> list[Trial]:
    """The trials of a sweep that are not over, and those of these runs, in order."""
    wanted = trials.c.state.in_(_LIVE) | trials.c.run.in_(running)
    return _read(connection, _READ.where(trials.c.sweep_id == sweep_id, wanted))


def trials_touched(
    connection: Connection, sweep_id: int, *, agent: str, running: Collection[str], changed: Collection[str], now: float
) -> list[Trial]:
    """The trials of a sweep to which one heartbeat may do something, in order.

    Args:
        agent: whose heartbeat it is: it may have been given one.
        running: runs that it says it runs.
        changed: runs of which there is news.
        now: seconds since the epoch; leases may have run out.
    """
    named = sorted({*running, *changed})
    return _read(connection, _TOUCHED, {"sweep": sweep_id, "now": now, "agent": agent, "named": named})


_OWN = trials.c.sweep_id == bindparam("sweep")
# What names an agent or a run has an index of its own, which is better than that of all trials of the sweep.
_WHY = (
    _OWN & (trials.c.lease_until <= bindparam("now")),
    trials.c.holder == bindparam("agent"),
    trials.c.run.in_(bindparam("named", expanding=True)),
)
_TOUCHED = _READ.where(_OWN, trials.c.number.in_(union(*(select(trials.c.number).where(why) for why in _WHY))))


def _read(connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None) -> list[Trial]:
    return [trial_of(row) for row in connection.execute(query, values)]


def trial_of(row: Row[str, float | None]) -> Trial:
    """The trial of a row that has its `body` and `lease_until`."""
    trial = Trial.model_validate_json(row.body)
    return trial if row.lease_until is None else trial.model_copy(update={"lease_until": row.lease_until})


def waiting(connection: Connection, row: Mapping[str, Any], sweep: Sweep) -> Waiting:
    """What there is for an agent among the trials of a sweep, of which one row is read at most."""
    its_own = trials.c.sweep_id == row["id"]
    free = _READ.where(its_own, trials.c.state == TrialState.FREE).order_by(None)
    # A sum has no index that could tempt a database to go through all trials in order instead of those that wait.
    free = free.order_by(trials.c.failures, trials.c.number) if puts_off(sweep) else free.order_by(trials.c.number + 0)
    found = connection.execute(free.limit(1)).first()
    last = connection.scalar(select(trials.c.number).where(its_own).order_by(trials.c.number.desc()).limit(1))
    leased = connection.scalar(select(trials.c.number).where(its_own, trials.c.state == TrialState.LEASED).limit(1))
    return Waiting(
        None if found is None else trial_of(found), 0 if last is None else last + 1, found is None and leased is None
    )


def in_flight(connection: Connection, sweep_id: int, *, since: float) -> tuple[set[str | None], set[str]]:
    """The agents that hold the points of a sweep which are being worked on, and those of them heard of after that."""
    leased = (trials.c.sweep_id == sweep_id, trials.c.state == TrialState.LEASED)
    holders = set(connection.scalars(select(trials.c.holder).where(*leased).distinct()))
    heard = select(agents.c.name).where(agents.c.sweep_id == sweep_id, agents.c.heartbeat_at > since)
    return holders, holders & set(connection.scalars(heard))


def results_of(connection: Connection, sweep_ids: Sequence[int]) -> dict[int, tuple[float, float]]:
    """The smallest and the largest finite result of some sweeps; those without one are absent."""
    query = select(trials.c.sweep_id, func.min(trials.c.result), func.max(trials.c.result))
    its_own = (trials.c.sweep_id.in_(sweep_ids), trials.c.result.is_not(None))
    found = connection.execute(query.where(*its_own).group_by(trials.c.sweep_id))
    return {sweep_id: (low, high) for sweep_id, low, high in found}


def kept_columns(trial: Trial) -> dict[str, Any]:
    """The columns of a trial that change with it."""
    leased = trial.state is TrialState.LEASED
    return {
        "state": trial.state.value,
        "run": trial.run,
        "body": trial.model_dump_json(),
        "holder": trial.agent if leased else None,
        "lease_until": trial.lease_until if leased else None,
        "attempt": trial.attempt,
        "failures": trial.failures,
        "result": trial.result if trial.result is not None and math.isfinite(trial.result) else None,
    }


def save_trials(connection: Connection, sweep_id: int, before: Iterable[Trial], after: Sequence[Trial]) -> None:
    """Keep the trials of a sweep that have changed, and tell runs to stop that must."""
    old = {trial.id: trial for trial in before}
    changed = [trial for trial in after if old.get(trial.id) != trial]
    renewed = [trial for trial in changed if _is_renewed(old.get(trial.id), trial)]
    for trial in renewed:
        connection.execute(_RENEWS, {"sweep": sweep_id, "trial": trial.id, "until": trial.lease_until})
    if len(renewed) < len(changed):
        _write(connection, sweep_id, [trial for trial in changed if trial not in renewed])


_RENEWS = trials.update().where(_OWN, trials.c.number == bindparam("trial")).values(lease_until=bindparam("until"))


def _is_renewed(old: Trial | None, new: Trial) -> bool:
    """Whether a lease lasts longer and nothing else has changed, which nobody has to read."""
    return old is not None and old.model_copy(update={"lease_until": new.lease_until}) == new


def _write(connection: Connection, sweep_id: int, changed: Sequence[Trial]) -> None:
    bodies = [
        {"sweep_id": sweep_id, "number": t.id, "digest": point_digest(t.params), **kept_columns(t)} for t in changed
    ]
    upsert(connection, trials, bodies, key=["sweep_id", "number"], update=list(_KEPT))
    begun = [trial for trial in changed if trial.run is not None and trial.agent is not None]
    tries = [{"sweep_id": sweep_id, "run": t.run, "number": t.id, "agent": t.agent} for t in begun]
    upsert(connection, attempts, tries, key=["sweep_id", "run"], update=["agent"])
    connection.execute(sweeps.update().filter_by(id=sweep_id).values(changed=0))
    stopped = [trial.run for trial in changed if trial.stopping and trial.run is not None]
    if stopped:
        where = (runs.c.sweep_id == sweep_id, runs.c.name.in_(stopped))
        connection.execute(runs.update().where(*where).values(should_stop=True))
