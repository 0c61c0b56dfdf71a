"""One heartbeat of an agent, in pure functions: what becomes of the trials, and what the agent is told to do.

None of them needs all trials of a sweep: `absorb` and `reported` look at each one by itself, and an agent that runs
nothing is told by what `Waiting` says of the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from kag.sweep.config import Params, Sweep
from kag.sweep.trial import Limits, Trial, TrialState, fail, finish, lapse, lose, renew


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


Draw = Callable[[], Params | None]
"""Gives the next point of a search; None if it is at its end."""


class Command(NamedTuple):
    """What an agent is told."""

    type: Literal["run", "stop", "exit"]
    run: str | None = None
    params: Params | None = None


def run_of(sweep_id: str, trial: int, attempt: int) -> str:
    """Name of the run of an attempt; the same attempt always has the same one."""
    return f"{sweep_id}-{trial:04d}" + (f"-{attempt}" if attempt > 1 else "")


class Place(NamedTuple):
    """What a run of a sweep is an attempt at."""

    trial: int
    attempt: int


def place_of(sweep_id: str, run: str) -> Place | None:
    """The trial and the attempt that a name of `run_of` tells; None of a run that the sweep has not named."""
    found = re.fullmatch(rf"{re.escape(sweep_id)}-(\d{{4,}})(?:-(\d+))?", run, re.ASCII)
    return Place(int(found[1]), int(found[2] or 1)) if found else None


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


def reported(
    trials: Sequence[Trial],
    state: SweepState,
    *,
    agent: str,
    running: frozenset[str],
    now: float,
    limits: Limits,
) -> list[Trial]:
    """Trials after what an agent says of them by the list of what it runs.

    Args:
        trials: after `absorb`.
        state: of their sweep; one that was canceled gives no point any more.
        running: runs that the agent says it runs.
        now: seconds since the epoch.
    """
    kept = [_reported(trial, agent, running, now=now, limits=limits) for trial in trials]
    if state is not SweepState.CANCELED:
        return kept
    ended: Mapping[str, Mapping[str, Any]] = {"free": {"state": TrialState.CANCELED}, "leased": {"stopping": True}}
    return [trial.model_copy(update=ended.get(trial.state, {})) for trial in kept]


def _reported(trial: Trial, agent: str, running: frozenset[str], *, now: float, limits: Limits) -> Trial:
    """What the agent's own list says of a trial."""
    if trial.run in running:
        if trial.state is TrialState.FREE and not trial.ended:
            trial = trial.model_copy(update={"state": TrialState.LEASED, "agent": agent})
        return renew(trial, now=now, limits=limits) if trial.state is TrialState.LEASED else trial
    if trial.state is TrialState.LEASED and trial.agent == agent and trial.confirmed:
        return fail(_over(trial), limits)
    return trial


def stops(trials: Sequence[Trial], running: frozenset[str]) -> list[Command]:
    """What a busy agent is told: the runs that must end.

    Args:
        trials: at least those of these runs.
        running: runs that the agent says it runs.
    """
    current = {trial.run: trial for trial in trials}
    return [Command("stop", name) for name in sorted(running) if _unwanted(current.get(name))]


def _unwanted(trial: Trial | None) -> bool:
    """Whether a run must end: another attempt has replaced it, or its trial was stopped. One that is done just ends."""
    return trial is None or (trial.state is TrialState.LEASED and trial.stopping)


def unheard(trials: Sequence[Trial], *, agent: str, now: float, limits: Limits) -> Trial | None:
    """What becomes of the point that an agent was given, if it runs nothing and nobody has heard of the run.

    The answer was lost, or its run died at once. The same run is sent once more, so a lost answer runs nothing twice;
    if that one is not heard of either, the attempt counts as failed.
    """
    silent = next((t for t in trials if t.state is TrialState.LEASED and t.agent == agent), None)
    if silent is None or silent.resent:
        return None if silent is None else fail(silent, limits)
    return silent.model_copy(update={"resent": True, "lease_until": now + limits.lease})


class Waiting(NamedTuple):
    """What a sweep has for an agent that runs nothing."""

    free: Trial | None
    """The next of the points that wait: of a search with an end one that has failed least often."""
    size: int
    """Trials so far."""
    over: bool
    """Whether nothing more will happen to any of them."""


def puts_off(sweep: Sweep) -> bool:
    """Whether a point that has failed comes again after all others: a search without end has no end to put it off to.

    What made a point fail may be gone by then: a file that was being edited, a full disk.
    """
    return sweep.trial_count() is not None


def may_leave(agent: str, holders: Collection[str | None], living: Collection[str]) -> bool:
    """Whether an agent for which there is no point may go: every point in flight is held by another one that lives.

    Who holds a point asks again when it has ended, and takes what has failed or was lost meanwhile; so the last of them
    stays to the end of the sweep, and no node is held for points that others see to.

    Args:
        agent: that asks.
        holders: agents of the points in flight; None for one that nobody answers for.
        living: agents that have given a sign of life within a lease, and since the one that asks has begun: one that
            takes the place of an agent that was killed a moment ago must not believe that it lives.
    """
    return bool(holders) and all(holder in living and holder != agent for holder in holders)


def chosen(sweep: Sweep, there: Waiting, draw: Draw) -> Trial | None:
    """A point that lost its agent, else a new one, else one that has failed; None if there is none."""
    if there.free is not None and not (puts_off(sweep) and there.free.failures):
        return there.free
    params = draw()
    return there.free if params is None else Trial(id=there.size, params=params)
