"""Heartbeats of agents: what the runs of a sweep report is taken in, and the agent is told what to do.

A heartbeat looks at the trials to which it may do something, and at no others: those that the agent was given or says
that it runs, those whose runs have changed since the last heartbeat, and those whose leases have run out. All others
are as the last heartbeat left them. Where that cannot be said, as after a change by a person, it looks at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from kag.server.arguments import json_object
from kag.server.bands import fill_bands, hopeless, keep_bands
from kag.server.context import SILENT, Context, decode_id
from kag.server.faults import needed
from kag.server.reports import News, news_of, taken_in, tell_again
from kag.server.rights import Act, Thing
from kag.server.search import next_point
from kag.server.sweeps import sweep_of
from kag.server.tables import agents, projects, runs, sweeps
from kag.server.trials import in_flight, live_trials, save_trials, trials_of, trials_touched, waiting
from kag.sweep import Command, Sweep, SweepState, Trial, TrialState
from kag.sweep.step import chosen, may_leave, reported, run_of, stops, unheard
from kag.sweep.stop import stop
from kag.sweep.trial import take

Row = Mapping[str, Any]


class _Beat(NamedTuple):
    """One heartbeat: what it found, and what becomes of the trials that it looked at."""

    context: Context
    agent: Row
    row: Row
    sweep: Sweep
    state: SweepState
    running: frozenset[str]
    news: News
    before: list[Trial]
    kept: list[Trial]

    @property
    def whole(self) -> bool:
        """Whether it looked at every trial to which something may happen."""
        return int(self.row["absorbed"]) == 0

    def save(self, before: Sequence[Trial], after: Sequence[Trial]) -> set[int]:
        """Keep trials; the bands whose thresholds may have changed."""
        save_trials(self.context.connection, self.row["id"], before, after)
        return keep_bands(self.context.connection, self.row["id"], self.sweep, before, after)


class _Told(NamedTuple):
    """What an agent is told, and what comes with it."""

    commands: list[Command]
    over: bool = False
    """Whether the search is over."""
    given: tuple[Trial, ...] = ()
    """The point that it was given."""
    anew: bool = False
    """Whether the next heartbeat must look at all trials."""


def _running(given: Mapping[str, Any]) -> frozenset[str]:
    reported_runs = json_object("runState", given.get("runState") or "{}")
    return frozenset(run for run, alive in reported_runs.items() if alive)


_WHO = (
    select(*agents.c, *sweeps.c, projects.c.entity, projects.c.name)
    .join(sweeps, agents.c.sweep_id == sweeps.c.id)
    .join(projects, sweeps.c.project_id == projects.c.id)
    .where(agents.c.id == bindparam("number"))
    .with_for_update(of=sweeps, key_share=True)
)


def _who(context: Context, number: int) -> tuple[Row, Row]:
    """An agent that the sender may speak for, and its sweep, whose other heartbeats wait from now on."""
    found = needed(context.connection.execute(_WHO, {"number": number}).first(), "no such agent")
    agent = dict(zip(agents.c.keys(), found, strict=False))
    row = dict(zip(sweeps.c.keys(), found[len(agents.c) :], strict=False))
    entity, project = found[-2:]
    context.ask(Act.CHANGE, Thing(f"the agent {agent['name']!r}", (entity, project), frozenset({agent["user"]})))
    return agent, row


def _arrived(context: Context, given: Mapping[str, Any]) -> _Beat:
    connection, running = context.connection, _running(given)
    agent, row = _who(context, decode_id("Agent", given.get("id")))
    sweep = sweep_of(row["config"])
    state = SweepState.RUNNING if row["state"] == SweepState.PENDING else SweepState(row["state"])
    if not row["absorbed"]:
        every = sweep.early_terminate is not None
        before = trials_of(connection, row["id"]) if every else live_trials(connection, row["id"], running)
        news = news_of(connection, row, [trial.run for trial in before if not trial.state.over])
    else:
        news = news_of(connection, row)
        words = {"agent": agent["name"], "running": running, "changed": news.runs, "now": context.now}
        before = trials_touched(connection, row["id"], **words)
    known = taken_in(context, sweep, before, news)
    limits = context.settings.limits
    kept = reported(known, state, agent=agent["name"], running=running, now=context.now, limits=limits)
    return _Beat(context, agent, row, sweep, state, running, news, before, kept)


_SEEN = agents.update().where(agents.c.id == bindparam("number")).values(heartbeat_at=bindparam("now"))


def heartbeat(context: Context, given: Mapping[str, Any]) -> tuple[Row, list[dict[str, Any]]]:
    """One heartbeat of an agent: the agent, and the commands for it.

    Raises:
        NotFound: the agent or its sweep is gone; the client then ends.
        Forbidden: the sender's key may not speak for this agent.
    """
    beat = _arrived(context, given)
    connection, row = context.connection, beat.row
    connection.execute(_SEEN, {"number": beat.agent["id"], "now": context.now})
    kept = _kept(beat)
    told = _Told(stops(kept, beat.running)) if beat.running else _idle(beat, kept)
    _end_silent(connection, row, beat.before, [*kept, *told.given])
    tell_again(connection, row, beat.before, kept)
    absorbed = 0 if told.anew else beat.news.absorbed
    changes: dict[str, Any] = {} if absorbed == row["absorbed"] else {"absorbed": absorbed, "changed": sweeps.c.changed}
    state = SweepState.FINISHED if told.over and beat.state is SweepState.RUNNING else beat.state
    if state.value != row["state"]:
        changes |= {"state": state.value, "updated_at": context.now, "changed": 0}
    if changes:
        connection.execute(sweeps.update().filter_by(id=row["id"]).values(**changes))
    return beat.agent, [_command(beat.sweep, command) for command in told.commands]


def _kept(beat: _Beat) -> list[Trial]:
    """The trials of a heartbeat as they are kept, after those are told to stop that early termination ends."""
    connection, row, sweep = beat.context.connection, beat.row, beat.sweep
    changed = beat.save(beat.before, beat.kept)
    if sweep.early_terminate is None:
        return beat.kept
    if beat.whole:
        fill_bands(connection, row["id"], sweep, beat.kept)
    if beat.state not in (SweepState.RUNNING, SweepState.PAUSED):
        return beat.kept
    if beat.whole:
        numbers = stop(sweep, beat.kept)
        doomed = [trial for trial in beat.kept if trial.id in numbers]
    else:
        old = {trial.id: (trial.state, trial.history) for trial in beat.before}
        leased = [trial for trial in beat.kept if trial.state is TrialState.LEASED]
        anew = [trial for trial in leased if old[trial.id] != (trial.state, trial.history)]
        doomed = hopeless(connection, row["id"], sweep, anew, changed)
    told = [trial.model_copy(update={"stopping": True}) for trial in doomed]
    save_trials(connection, row["id"], doomed, told)
    now = {trial.id: trial for trial in told}
    return [now.get(trial.id, trial) for trial in beat.kept]


def _idle(beat: _Beat, kept: Sequence[Trial]) -> _Told:
    """The agent runs nothing: give it a point, let it wait, or send it home."""
    context, row, sweep, agent = beat.context, beat.row, beat.sweep, beat.agent["name"]
    now, limits = context.now, context.settings.limits
    if beat.state in (SweepState.FINISHED, SweepState.CANCELED):
        return _Told([Command("exit")], over=True)
    silent = unheard(kept, agent=agent, now=now, limits=limits)
    if silent is not None:
        beat.save([trial for trial in kept if trial.id == silent.id], [silent])
        if silent.state is TrialState.LEASED:
            return _Told([Command("run", silent.run, silent.params)])
    if beat.state is SweepState.PAUSED:
        return _Told([])
    there = waiting(context.connection, row, sweep)
    free = chosen(sweep, there, lambda: next_point(context.connection, row, sweep, there.size, context.foresight))
    if free is None:
        since = max(now - limits.lease, beat.agent["created_at"])
        leaves = there.over or may_leave(agent, *in_flight(context.connection, row["id"], since=since))
        return _Told([Command("exit")] if leaves else [], over=there.over)
    run = run_of(row["name"], free.id, free.attempt + 1)
    taken = take(free, agent=agent, run=run, now=now, limits=limits)
    changed = beat.save([free] if free.id < there.size else [], [taken])
    return _Told([Command("run", run, taken.params)], given=(taken,), anew=bool(changed))


def _end_silent(connection: Connection, row: Row, before: Sequence[Trial], after: Sequence[Trial]) -> None:
    """Runs whose agent says that their processes are gone, and which cannot say so any more themselves.

    One that can, because its last lines are on their way, is running again when they arrive.
    """
    now = {trial.id: trial for trial in after}
    live = [trial for trial in before if trial.state is TrialState.LEASED and not trial.ended]
    gone = [trial.run for trial in live if now[trial.id].ended or now[trial.id].run != trial.run]
    if not gone:
        return
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
