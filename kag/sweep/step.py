"""One heartbeat of an agent, as a pure function: what becomes of the trials, and what the agent is told to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

from kag.sweep.config import Params, Sweep
from kag.sweep.stop import stop
from kag.sweep.suggest import suggest
from kag.sweep.trial import Limits, Trial, TrialState, fail, finish, lapse, lose, renew, take


class SweepState(StrEnum):
    """States of a sweep, in the client's words."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"


class Outcome(StrEnum):
    """What is known of the run of an attempt."""

    ABSENT = "absent"
    """It never reported."""
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """A signal ended it, which says nothing against the point."""


Draw = Callable[[Sweep, Sequence[Trial], int], Params | None]
"""The next point of a search, from its trials so far and a seed; None if it is at its end."""


class Command(NamedTuple):
    """What an agent is told."""

    type: Literal["run", "stop", "exit"]
    run: str | None = None
    params: Params | None = None


class Step(NamedTuple):
    """The trials after a heartbeat (new ones at the end), the commands, and whether the search is over."""

    trials: list[Trial]
    commands: list[Command]
    over: bool


def run_of(sweep_id: str, trial: int, attempt: int) -> str:
    """Name of the run of an attempt; the same attempt always has the same one."""
    return f"{sweep_id}-{trial:04d}" + (f"-{attempt}" if attempt > 1 else "")


def absorb(
    trials: Sequence[Trial], outcomes: Mapping[str, Outcome], seen: Mapping[str, float], *, now: float, limits: Limits
) -> list[Trial]:
    """Take in what the runs themselves report: their outcomes, and when (seconds since the epoch) they were seen."""
    return [_absorbed(trial, outcomes, seen, now=now, limits=limits) for trial in trials]


def _absorbed(
    trial: Trial, outcomes: Mapping[str, Outcome], seen: Mapping[str, float], *, now: float, limits: Limits
) -> Trial:
    outcome = outcomes.get(trial.run or "", Outcome.ABSENT)
    if trial.state is TrialState.FREE and outcome is Outcome.FINISHED:
        return finish(trial)
    alive = outcome is Outcome.RUNNING and not trial.ended and now < seen[trial.run or ""] + limits.lease
    if trial.state is TrialState.FREE and alive:
        trial = trial.model_copy(update={"state": TrialState.LEASED})
    if trial.state is not TrialState.LEASED:
        return trial
    if outcome is Outcome.FINISHED:
        return finish(trial)
    if outcome is Outcome.FAILED:
        return fail(_over(trial), limits)
    if outcome is Outcome.INTERRUPTED:
        return lose(_over(trial), limits)
    if outcome is Outcome.RUNNING:
        trial = renew(trial, now=seen[trial.run or ""], limits=limits)
    return lapse(trial, now=now, limits=limits)


def _over(trial: Trial) -> Trial:
    """The attempt has ended: its run or its agent says so, and the other, who may say it later, changes nothing."""
    return trial.model_copy(update={"ended": True})


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
    draw: Draw = suggest,
) -> Step:
    """One heartbeat.

    Args:
        trials: of the sweep, after `absorb`.
        sweep_id: part of the names of its runs.
        running: runs that the agent says it runs.
        now: seconds since the epoch.
        draw: gives the next point of the search as `suggest` does.
    """
    kept = [_reported(trial, agent, running, now=now, limits=limits) for trial in trials]
    doomed = stop(sweep, kept) if state in (SweepState.RUNNING, SweepState.PAUSED) else set()
    if state is SweepState.CANCELED:
        doomed = {trial.id for trial in kept if trial.state is TrialState.LEASED}
        kept = [t.model_copy(update={"state": TrialState.CANCELED}) if t.state is TrialState.FREE else t for t in kept]
    kept = [t.model_copy(update={"stopping": True}) if t.id in doomed else t for t in kept]
    if running:
        current = {trial.run: trial for trial in kept}
        stops = [Command("stop", name) for name in sorted(running) if _unwanted(current.get(name))]
        return Step(kept, stops, over=False)
    return _idle(sweep, state, kept, sweep_id=sweep_id, agent=agent, now=now, seed=seed, limits=limits, draw=draw)


def _unwanted(trial: Trial | None) -> bool:
    """Whether a run must end: another attempt has replaced it, or its trial was stopped. One that is done just ends."""
    return trial is None or (trial.state is TrialState.LEASED and trial.stopping)


def _reported(trial: Trial, agent: str, running: frozenset[str], *, now: float, limits: Limits) -> Trial:
    """What the agent's own list says of a trial."""
    if trial.run in running:
        if trial.state is TrialState.FREE and not trial.ended:
            trial = trial.model_copy(update={"state": TrialState.LEASED, "agent": agent})
        return renew(trial, now=now, limits=limits) if trial.state is TrialState.LEASED else trial
    if trial.state is TrialState.LEASED and trial.agent == agent and trial.confirmed:
        return fail(_over(trial), limits)
    return trial


def _idle(
    sweep: Sweep,
    state: SweepState,
    trials: list[Trial],
    *,
    sweep_id: str,
    agent: str,
    now: float,
    seed: int,
    limits: Limits,
    draw: Draw,
) -> Step:
    """The agent runs nothing: give it a point, let it wait, or send it home."""
    if state in (SweepState.FINISHED, SweepState.CANCELED):
        return Step(trials, [Command("exit")], over=True)
    unheard = next((t for t in trials if t.state is TrialState.LEASED and t.agent == agent), None)
    if unheard is not None and not unheard.resent:
        # The answer was lost, or its run died at once. The same run is sent once more, so a lost answer runs nothing
        # twice; if that one is not heard of either, the attempt counts as failed.
        again = unheard.model_copy(update={"resent": True, "lease_until": now + limits.lease})
        after = [again if trial.id == again.id else trial for trial in trials]
        return Step(after, [Command("run", again.run, again.params)], over=False)
    if unheard is not None:
        trials = [fail(trial, limits) if trial.id == unheard.id else trial for trial in trials]
    if state is SweepState.PAUSED:
        return Step(trials, [], over=False)
    chosen = _chosen(sweep, trials, seed, draw)
    if chosen is None:
        over = all(trial.state.over for trial in trials)
        return Step(trials, [Command("exit")] if over else [], over=over)
    run = run_of(sweep_id, chosen.id, chosen.attempt + 1)
    taken = take(chosen, agent=agent, run=run, now=now, limits=limits)
    after = [*trials[: taken.id], taken, *trials[taken.id + 1 :]]
    return Step(after, [Command("run", run, taken.params)], over=False)


def _chosen(sweep: Sweep, trials: list[Trial], seed: int, draw: Draw) -> Trial | None:
    """A point that lost its agent, else a new one, else one that has failed.

    What made a point fail may be gone by then: a file that was being edited, a full disk. A search without end has no
    end to put it off to.
    """
    free = [trial for trial in trials if trial.state is TrialState.FREE]
    endless = sweep.trial_count() is None
    first = next((trial for trial in free if endless or not trial.failures), None)
    if first is not None:
        return first
    params = draw(sweep, trials, seed)
    if params is not None:
        return Trial(id=len(trials), params=params)
    return min(free, key=lambda trial: trial.failures, default=None)
