"""How a sweep stands, from what its runs show: trials by state, the best one, and the time that is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kag.sweep.config import Params, Sweep
from kag.sweep.importance import best
from kag.sweep.step import place_of
from kag.sweep.trial import Trial, TrialState, point_digest

FARTHEST = (TrialState.FINISHED, TrialState.STOPPED, TrialState.LEASED, TrialState.FREE, TrialState.FAILED)
"""Of several attempts at a point the one in the first of these states stands for it."""


class Attempt(NamedTuple):
    """A run of a sweep, as its tracking server shows it."""

    run: str
    state: TrialState
    params: Params
    """Empty until the run has told its config."""
    value: float | None


class Epochs(NamedTuple):
    """Epochs of a sweep's runs."""

    trained: int = 0
    shared: int = 0
    """Taken over from other runs."""


class Progress(NamedTuple):
    """A sweep at one moment."""

    expected: int | None
    """None for a search without end."""
    states: dict[TrialState, int]
    best: Trial | None
    seconds_left: float | None
    """None while nothing tells."""
    epochs: Epochs | None
    """None where nothing is known of them."""
    metric: str = ""
    """What the best one is judged by; empty where the sweep has no metric, and no trial is best."""

    @property
    def ended(self) -> int:
        """Trials to which nothing more will happen."""
        return sum(count for state, count in self.states.items() if state.over)

    @property
    def succeeded(self) -> int:
        """Trials that gave a result."""
        return self.states.get(TrialState.FINISHED, 0) + self.states.get(TrialState.STOPPED, 0)


def trials_of_attempts(sweep: Sweep, sweep_id: str, attempts: Iterable[Attempt]) -> list[Trial]:
    """One trial a point, in the order of the first attempts.

    kag's server names a run by its point; elsewhere a point of a grid is known by its values, and any other run is a
    trial by itself.
    """
    keys = tuple(sweep.leaves())
    groups: dict[str | int, list[Attempt]] = {}
    for attempt in attempts:
        place = place_of(sweep_id, attempt.run)
        params = {key: attempt.params[key] for key in keys if key in attempt.params}
        whole = sweep.method == "grid" and len(params) == len(keys)
        point = place.trial if place else point_digest(params) if whole else attempt.run
        groups.setdefault(point, []).append(attempt._replace(params=params))
    chosen = [min(group, key=lambda attempt: FARTHEST.index(attempt.state)) for group in groups.values()]
    return [
        Trial(id=number, params=one.params, state=one.state, value=one.value, run=one.run, attempt=len(groups[point]))
        for number, (point, one) in enumerate(zip(groups, chosen, strict=True))
    ]


def told(sweep: Sweep, trials: Iterable[Trial]) -> list[Trial]:
    """Trials whose whole point is known."""
    keys = set(sweep.leaves())
    return [trial for trial in trials if keys <= set(trial.params)]


class Call(NamedTuple):
    """One call that runs trials of a sweep."""

    before: Sequence[Trial] = ()
    """The trials as they were when it began."""
    most: int | None = None
    """Attempts that it starts at most; None is no limit."""
    seconds: float = 0.0
    """How long it has been going on."""
    attempts: int = 1
    """Of one trial that may fail until nobody tries it again while the call lasts."""

    def retried(self, trials: Iterable[Trial]) -> set[int]:
        """Of trials the ids of those that have failed in it, and are tried again in it."""
        tried = {trial.id: trial.attempt for trial in self.before}
        return {
            trial.id
            for trial in trials
            if trial.state is TrialState.FAILED and 0 < trial.attempt - tried.get(trial.id, 0) < self.attempts
        }


def progress(sweep: Sweep, trials: Sequence[Trial], epochs: Epochs | None, call: Call | None = None) -> Progress:
    """Where a sweep with these trials stands, and when the call will be over that runs them.

    Between two attempts of the call a trial is free: it has failed when nobody tries it again.
    """
    call = call or Call()
    again = call.retried(trials)
    states = Counter(TrialState.FREE if trial.id in again else trial.state for trial in trials)
    metric = sweep.metric.name if sweep.metric else ""
    left = seconds_left(sweep.trial_count(), trials, call)
    return Progress(sweep.trial_count(), dict(states), best(sweep, told(sweep, trials)), left, epochs, metric)


def seconds_left(expected: int | None, trials: Sequence[Trial], call: Call) -> float | None:
    """Until the call has run all that it will: at its pace so far, with however many agents that was.

    Points that had failed before it began are open again, one that failed in it for good is not. None while nothing
    tells.
    """
    done = _ended_attempts(trials) - _ended_attempts(call.before)
    tried, again = {trial.id: trial.attempt for trial in call.before}, call.retried(trials)
    closed = sum(
        trial.state.over
        and trial.id not in again
        and (trial.state is not TrialState.FAILED or trial.attempt > tried.get(trial.id, 0))
        for trial in trials
    )
    limits = [] if expected is None else [expected - closed]
    limits += [] if call.most is None else [call.most - done]
    if done <= 0 or not limits:
        return None
    return call.seconds / done * max(min(limits), 0)


def points_left(expected: int | None, trials: Sequence[Trial], seconds: Sequence[float], at_work: int) -> float | None:
    """Seconds until the points of a search end, if as many agents go on as are at work now; None while nothing tells.

    When an agent will leave before (`--count`), it tells nobody.

    Args:
        expected: points of the search.
        trials: so far.
        seconds: how long each attempt took that has ended.
        at_work: agents that run a point now.
    """
    if expected is None or not seconds or at_work <= 0:
        return None
    left = max(0, expected - sum(trial.state.over for trial in trials))
    return left * sum(seconds) / len(seconds) / min(at_work, max(left, 1))


def _ended_attempts(trials: Iterable[Trial]) -> int:
    return sum(trial.attempt - (trial.state is TrialState.LEASED) for trial in trials)
