"""One heartbeat over all trials of a sweep in memory: the reference for the server, which reads few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kag.sweep import Command, Limits, Sweep, SweepState, Trial, TrialState, stop, suggest
from kag.sweep.step import Waiting, chosen, may_leave, puts_off, reported, run_of, stops, unheard
from kag.sweep.trial import take


class Step(NamedTuple):
    """The trials after a heartbeat (new ones at the end), the commands, and whether the search is over."""

    trials: list[Trial]
    commands: list[Command]
    over: bool


def step(
    sweep: Sweep,
    state: SweepState,
    trials: Sequence[Trial],
    *,
    sweep_id: str,
    agent: str,
    running: frozenset[str],
    now: float,
    seed: int,
    limits: Limits,
    living: frozenset[str] = frozenset(),
) -> Step:
    """One heartbeat; the trials are those after `absorb`, `living` are the agents heard of within a lease."""
    kept = reported(trials, state, agent=agent, running=running, now=now, limits=limits)
    doomed = stop(sweep, kept) if state in (SweepState.RUNNING, SweepState.PAUSED) else set()
    kept = [trial.model_copy(update={"stopping": True}) if trial.id in doomed else trial for trial in kept]
    if running:
        return Step(kept, stops(kept, running), over=False)
    if state in (SweepState.FINISHED, SweepState.CANCELED):
        return Step(kept, [Command("exit")], over=True)
    silent = unheard(kept, agent=agent, now=now, limits=limits)
    if silent is not None:
        kept = _with(kept, silent)
        if silent.state is TrialState.LEASED:
            return Step(kept, [Command("run", silent.run, silent.params)], over=False)
    if state is SweepState.PAUSED:
        return Step(kept, [], over=False)
    there = _waiting(sweep, kept)
    free = chosen(sweep, there, lambda: suggest(sweep, kept, seed))
    if free is None:
        holders = {trial.agent for trial in kept if trial.state is TrialState.LEASED}
        leaves = there.over or may_leave(agent, holders, living)
        return Step(kept, [Command("exit")] if leaves else [], over=there.over)
    run = run_of(sweep_id, free.id, free.attempt + 1)
    taken = take(free, agent=agent, run=run, now=now, limits=limits)
    return Step(_with(kept, taken), [Command("run", run, taken.params)], over=False)


def _waiting(sweep: Sweep, trials: Sequence[Trial]) -> Waiting:
    free = [trial for trial in trials if trial.state is TrialState.FREE]
    first = min(free, key=lambda trial: (puts_off(sweep) and trial.failures, trial.id), default=None)
    return Waiting(first, len(trials), all(trial.state.over for trial in trials))


def _with(trials: list[Trial], changed: Trial) -> list[Trial]:
    return [*trials[: changed.id], changed, *trials[changed.id + 1 :]]
