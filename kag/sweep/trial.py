"""A trial is a point of the search and a lease on it: who runs it now, and until when that is believed.

The rules are pure: each takes a trial and gives the trial after the event. A trial is bound to an agent by `take`,
kept by signs of life, and given back when they stop. An attempt is one run; a trial has one live run at a time.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

TrialId = int


class TrialState(StrEnum):
    """Where a trial stands."""

    FREE = "free"
    """Waits for an agent: its last agent died, or its last attempt failed."""
    LEASED = "leased"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Ended early on request; its last value counts."""
    FAILED = "failed"
    """Every allowed attempt failed."""
    CANCELED = "canceled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (TrialState.FREE, TrialState.LEASED)


class Limits(BaseModel):
    """How patient a sweep is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease: float = 120.0
    """Seconds without a sign of life after which an agent counts as dead."""
    failures: int = 3
    """Attempts of one point that may fail before it is given up."""
    losses: int = 20
    """Agents that one point may lose, without coming any farther, before it is given up."""


Logged = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A logged number; one that is none was kept as null once."""


class Trial(BaseModel):
    """One point."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    id: TrialId
    """Number within the sweep, from 0."""
    params: dict[str, Any]
    state: TrialState = TrialState.FREE
    history: tuple[Logged, ...] = ()
    """Logged values of the metric, in order."""
    value: float | None = None
    """The metric in the run's summary, or None."""
    run: str | None = None
    """Name of the run of the present or last attempt."""
    agent: str | None = None
    attempt: int = 0
    """Runs that were started for it."""
    failures: int = 0
    losses: int = 0
    """Attempts lost in a row, none of which came farther than those before."""
    reached: float | None = None
    """Epoch that the attempt has come to; the step, where its run logs no epoch."""
    farthest: float | None = None
    """The same of the attempts that were lost."""
    confirmed: bool = False
    """Whether the agent or the run has shown that the attempt began."""
    ended: bool = False
    """Whether its run or its agent has said that the attempt is over.

    A run that was killed cannot say so: it reads as running. A process that is on its way out is still running for its
    agent when its run has ended.
    """
    preempting: bool = False
    """Whether its run has said that its machine is about to be taken away."""
    resent: bool = False
    """Whether the agent was told twice to begin the attempt."""
    stopping: bool = False
    """Whether the attempt was told to stop."""
    lease_until: float = 0.0
    """Seconds since the epoch."""

    @property
    def result(self) -> float | None:
        """The value that the trial is judged by."""
        return self.value if self.value is not None else (self.history[-1] if self.history else None)

    @property
    def prior(self) -> bool:
        """Whether its run was there before the sweep, which never gave it out."""
        return self.attempt == 0 and self.run is not None

    @property
    def counts(self) -> bool:
        """Whether it came to its end with a number."""
        return self.state is TrialState.FINISHED and self.result is not None and math.isfinite(self.result)


def point_digest(params: Mapping[str, Any]) -> str:
    """Canonical hash of a point: keys sorted, values with their JSON type, so 1, 1.0, "1" and true are four points."""
    return hashlib.sha256(json.dumps(params, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def take(trial: Trial, *, agent: str, run: str, now: float, limits: Limits) -> Trial:
    """The free trial goes to an agent."""
    return Trial(
        id=trial.id,
        params=trial.params,
        state=TrialState.LEASED,
        run=run,
        agent=agent,
        attempt=trial.attempt + 1,
        failures=trial.failures,
        losses=trial.losses,
        farthest=trial.farthest,
        lease_until=now + limits.lease,
    )


def renew(trial: Trial, *, now: float, limits: Limits) -> Trial:
    """A sign of life of the attempt, from its agent or from its run."""
    return trial.model_copy(update={"confirmed": True, "lease_until": max(trial.lease_until, now + limits.lease)})


def lapse(trial: Trial, *, now: float, limits: Limits) -> Trial:
    """Give a leased trial back if its lease has run out."""
    return lose(trial, limits) if trial.state is TrialState.LEASED and now >= trial.lease_until else trial


def lose(trial: Trial, limits: Limits) -> Trial:
    """The attempt ended through no fault of the point: its agent died, or somebody interrupted it.

    One that came farther than all before begins the count anew: a trial of many time limits gets there in the end.
    """
    if trial.stopping:
        return finish(trial)
    if trial.preempting:
        return release(trial)
    farthest = _farthest(trial)
    losses = trial.losses + 1 if farthest == trial.farthest else 0
    state = TrialState.FAILED if losses >= limits.losses else TrialState.FREE
    return trial.model_copy(update={"state": state, "losses": losses, "farthest": farthest, "agent": None})


def _farthest(trial: Trial) -> float | None:
    """How far its attempts have come; what is no finite number tells nothing."""
    known = [mark for mark in (trial.reached, trial.farthest) if mark is not None and math.isfinite(mark)]
    return max(known, default=None)


def finish(trial: Trial) -> Trial:
    """The run of the attempt ended well, or ended because it was told to stop."""
    return trial.model_copy(update={"state": TrialState.STOPPED if trial.stopping else TrialState.FINISHED})


def fail(trial: Trial, limits: Limits) -> Trial:
    """The attempt ended badly: try again, a bounded number of times. One that was told to stop just ends."""
    if trial.stopping:
        return finish(trial)
    if trial.preempting:
        return release(trial)
    failures = trial.failures + 1
    state = TrialState.FAILED if failures >= limits.failures else TrialState.FREE
    return trial.model_copy(update={"state": state, "failures": failures, "agent": None})


def release(trial: Trial) -> Trial:
    """The attempt is over and says nothing of the point: as often as it likes, the point waits for the next agent."""
    return trial.model_copy(update={"state": TrialState.FREE, "agent": None})


def forget(trial: Trial) -> Trial:
    """What the run of the trial has shown is gone with the run: the point is as new, but for the number of attempts."""
    return Trial(id=trial.id, params=trial.params, attempt=max(trial.attempt, 1))


def reopen(trial: Trial) -> Trial:
    """Give a point that was given up its attempts again."""
    if trial.state is not TrialState.FAILED:
        return trial
    return trial.model_copy(update={"state": TrialState.FREE, "failures": 0, "losses": 0, "agent": None})
