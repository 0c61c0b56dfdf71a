"""Heartbeats of agents: what the runs of a sweep report is taken in, and the agent is told what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select

from kag.errors import ENDING, exit_code_of
from kag.number import number, sound_json
from kag.server.arguments import json_object
from kag.server.context import SILENT, Context, decode_id
from kag.server.faults import needed
from kag.server.history import metric_values, reach
from kag.server.store import all_rows, find
from kag.server.sweeps import by_id, save_trials, sweep_of, trials_of
from kag.server.tables import agents, runs, sweeps
from kag.sweep import Command, Sweep, SweepState, Trial, TrialState, step
from kag.sweep.step import Outcome, Step, absorb

PREEMPTED = ("preempting", "preempted")
"""States of a run whose machine is taken away."""
BY_SIGNAL = tuple(map(exit_code_of, ENDING))
"""Exit codes of a run that somebody interrupted."""


class _Beat(NamedTuple):
    """One heartbeat, worked out and not yet written."""

    agent: RowMapping
    row: RowMapping
    sweep: Sweep
    state: SweepState
    before: list[Trial]
    result: Step


def _beat(context: Context, given: Mapping[str, Any], *, lock: bool) -> _Beat:
    connection = context.connection
    agent = needed(find(connection, agents, id=decode_id("Agent", given.get("id"))), "no such agent")
    row = by_id(connection, agent["sweep_id"], lock=lock)
    sweep = sweep_of(row["config"])
    state = SweepState.RUNNING if row["state"] == SweepState.PENDING else SweepState(row["state"])
    reported = json_object("runState", given.get("runState") or "{}")
    running = frozenset(run for run, alive in reported.items() if alive)
    # An agent that is busy gets no point: of the trials that are over, only a rule that stops runs wants to know.
    live = running if running and sweep.early_terminate is None else None
    before = trials_of(connection, row["id"], live=live)
    result = step(
        sweep,
        state,
        _with_facts(context, row, sweep, before),
        sweep_id=row["name"],
        agent=agent["name"],
        running=running,
        now=context.now,
        seed=row["seed"],
        limits=context.settings.limits,
        draw=context.foresight,
    )
    return _Beat(agent, row, sweep, state, before, result)


def foresee(context: Context, given: Mapping[str, Any]) -> None:
    """Work out a heartbeat where nobody waits for it, so that its point is drawn when it is written."""
    _beat(context, given, lock=False)


def heartbeat(context: Context, given: Mapping[str, Any]) -> tuple[RowMapping, list[dict[str, Any]]]:
    """One heartbeat of an agent: the agent, and the commands for it.

    Raises:
        NotFound: the agent or its sweep is gone; the client then ends.
    """
    connection, now = context.connection, context.now
    agent, row, sweep, state, before, result = _beat(context, given, lock=True)
    connection.execute(agents.update().filter_by(id=agent["id"]).values(heartbeat_at=now))
    save_trials(connection, row, before, result.trials)
    _end_silent(connection, row, before, result.trials)
    if result.over and state is SweepState.RUNNING:
        state = SweepState.FINISHED
    if state.value != row["state"]:
        connection.execute(sweeps.update().filter_by(id=row["id"]).values(state=state.value, updated_at=now))
    return agent, [_command(sweep, command) for command in result.commands]


def _end_silent(connection: Connection, row: RowMapping, before: Sequence[Trial], after: Sequence[Trial]) -> None:
    """Runs whose agent says that their processes are gone, and which cannot say so any more themselves.

    One that can, because its last lines are on their way, is running again when they arrive.
    """
    now = {trial.id: trial for trial in after}
    live = [trial for trial in before if trial.state is TrialState.LEASED and not trial.ended]
    gone = [trial.run for trial in live if now[trial.id].ended or now[trial.id].run != trial.run]
    its_own = (runs.c.sweep_id == row["id"], runs.c.name.in_(gone))
    for living, ended in SILENT.items():
        silent = runs.update().where(*its_own, runs.c.state == living)
        connection.execute(silent.where(runs.c.should_stop).values(state="killed"))
        connection.execute(silent.values(state=ended))


def _command(sweep: Sweep, command: Command) -> dict[str, Any]:
    if command.type != "run":
        return {"type": command.type} if command.run is None else {"type": command.type, "run_id": command.run}
    arguments = {key: {"value": value} for key, value in sweep.arguments(command.params or {}).items()}
    return {"type": "run", "run_id": command.run, "args": arguments, "program": sweep.program}


def _with_facts(context: Context, row: RowMapping, sweep: Sweep, known: Sequence[Trial]) -> list[Trial]:
    """The trials with what their runs have reported. After a time without a server every lease begins anew."""
    live = [trial.run for trial in known if trial.run is not None and not trial.state.over]
    query = select(runs).where(runs.c.sweep_id == row["id"], runs.c.name.in_(live))
    reported = {run["name"]: run for run in all_rows(context.connection, query)}
    earliest = context.since + context.settings.limits.lease
    measured = []
    for trial in known:
        run = reported.get(trial.run or "")
        facts = _measured(context.connection, sweep, trial, run)
        if trial.state is TrialState.LEASED and run is not None:
            facts["preempting"] = run["state"] in PREEMPTED
        if trial.state is TrialState.LEASED:
            facts["lease_until"] = max(trial.lease_until, earliest)
            facts["stopping"] = trial.stopping or (run is not None and bool(run["should_stop"]))
        measured.append(trial.model_copy(update=facts) if facts else trial)
    outcomes = {name: _outcome(run) for name, run in reported.items()}
    seen = {name: float(run["heartbeat_at"]) for name, run in reported.items()}
    return absorb(measured, outcomes, seen, now=context.now, limits=context.settings.limits)


def _outcome(run: RowMapping) -> Outcome:
    otherwise = Outcome.INTERRUPTED if run["exit_code"] in BY_SIGNAL else Outcome.FAILED
    known = {"finished": Outcome.FINISHED, **dict.fromkeys(("running", "preempting"), Outcome.RUNNING)}
    return known.get(run["state"], otherwise)


def _measured(connection: Connection, sweep: Sweep, trial: Trial, run: RowMapping | None) -> dict[str, Any]:
    """What changes of a trial by the metric that its run has logged."""
    if run is None or sweep.metric is None:
        return {}
    value = number(reach(sound_json(run["summary"])[0], sweep.metric.name)[1])
    values = metric_values(connection, run["id"], sweep.metric.name) if sweep.early_terminate else trial.history
    return {"history": values, "value": value}
