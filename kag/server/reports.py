"""What the runs of a sweep report, taken in by its trials: each change once, by the first heartbeat after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select

from kag.errors import ENDING, exit_code_of
from kag.names import EPOCH, STEP
from kag.number import number, sound_json
from kag.server.context import Context
from kag.server.history import metric_values, reach
from kag.server.store import all_rows
from kag.server.tables import runs
from kag.sweep import Sweep, Trial, TrialState
from kag.sweep.step import Outcome, absorb

PREEMPTED = ("preempting", "preempted")
"""States of a run whose machine is taken away."""
BY_SIGNAL = tuple(map(exit_code_of, ENDING))
"""Exit codes of a run that somebody interrupted."""

_SAID = select(*(runs.c[name] for name in ("id", "name", "state", "exit_code", "heartbeat_at", "summary", "changed")))
_SAID = _SAID.add_columns(runs.c.should_stop)

_NEWS = _SAID.where(runs.c.sweep_id == bindparam("sweep"), runs.c.changed > bindparam("absorbed"))


@dataclass(frozen=True)
class News:
    """What runs of a sweep say now."""

    runs: dict[str, RowMapping]
    """By name."""
    absorbed: int
    """Number of the last change that is among them."""


def news_of(connection: Connection, row: Mapping[str, Any], names: Sequence[str | None] | None = None) -> News:
    """What has changed of the runs of a sweep since they were looked at; with names all that these say."""
    if names is not None:
        its_own = runs.c.sweep_id == row["id"]
        # Before the runs themselves: a change between both questions is looked at twice, and not never.
        last = connection.scalar(select(func.max(runs.c.changed)).where(its_own)) or 1
        known = all_rows(connection, _SAID.where(its_own, runs.c.name.in_(names)))
        return News({run["name"]: run for run in known}, last)
    known = connection.execute(_NEWS, {"sweep": row["id"], "absorbed": row["absorbed"]}).mappings().all()
    return News({run["name"]: run for run in known}, max((run["changed"] for run in known), default=row["absorbed"]))


def taken_in(context: Context, sweep: Sweep, trials: Sequence[Trial], news: News) -> list[Trial]:
    """The trials with what their runs have reported. After a time without a server every lease begins anew."""
    earliest = context.since + context.settings.limits.lease
    live = {trial.run for trial in trials if not trial.state.over}
    reported = {name: run for name, run in news.runs.items() if name in live}
    measured = []
    for trial in trials:
        run = reported.get(trial.run or "")
        facts = {} if run is None else _measured(context.connection, sweep, run)
        if trial.state is TrialState.LEASED:
            facts["lease_until"] = max(trial.lease_until, earliest)
        if trial.state is TrialState.LEASED and run is not None:
            facts["preempting"] = run["state"] in PREEMPTED
            facts["stopping"] = trial.stopping or bool(run["should_stop"])
        measured.append(trial.model_copy(update=facts) if facts else trial)
    outcomes = {run["name"]: _outcome(run) for run in reported.values()}
    seen = {run["name"]: float(run["heartbeat_at"]) for run in reported.values()}
    return absorb(measured, outcomes, seen, now=context.now, limits=context.settings.limits)


def tell_again(connection: Connection, row: Mapping[str, Any], before: Sequence[Trial], after: Sequence[Trial]) -> None:
    """A trial that goes on after it was given back is to hear what its run has said meanwhile."""
    waited = {trial.id for trial in before if trial.state is TrialState.FREE}
    names = [trial.run for trial in after if trial.id in waited and trial.state is TrialState.LEASED]
    if names:
        connection.execute(runs.update().where(runs.c.sweep_id == row["id"], runs.c.name.in_(names)).values(changed=0))


def _outcome(run: RowMapping) -> Outcome:
    otherwise = Outcome.INTERRUPTED if run["exit_code"] in BY_SIGNAL else Outcome.FAILED
    known = {"finished": Outcome.FINISHED, **dict.fromkeys(("running", "preempting"), Outcome.RUNNING)}
    return known.get(run["state"], otherwise)


def _measured(connection: Connection, sweep: Sweep, run: RowMapping) -> dict[str, Any]:
    """What changes of a trial by what its run has logged: how far it has come, and its metric."""
    summary = sound_json(run["summary"])[0]
    marks = (number(summary.get(name)) for name in (EPOCH, STEP))
    facts: dict[str, Any] = {"reached": next((mark for mark in marks if mark is not None), None)}
    if sweep.metric is not None:
        facts["value"] = number(reach(summary, sweep.metric.name)[1])
        if sweep.early_terminate is not None:
            facts["history"] = metric_values(connection, run["id"], sweep.metric.name)
    return facts
