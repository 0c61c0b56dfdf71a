"""Figures of a sweep that a page alone draws: each parameter against the objective, and which agent ran what when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kag.report.sweep_figures import axis_of, coordinate, measured_trials
from kag.report.tried import Slice, Stint, Timeline, Tried
from kag.sweep import Sweep, Trial
from kag.text import duration, setting
from kag.view.results import measured

AGENTS = 60
"""Rows of a timeline."""


def slices(sweep: Sweep, trials: Sequence[Trial], name_of: Callable[[Trial], str]) -> tuple[Slice, ...]:
    """Each parameter that is searched against the objective; a trial without a result or the parameter is no dot."""
    metric, shown = sweep.metric, measured_trials(trials)
    if metric is None or not shown:
        return ()
    found = []
    for key, leaf in sweep.varied().items():
        with_it = [trial for trial in shown if key in trial.params]
        axis = axis_of(key, leaf, with_it)
        dots = tuple(
            Tried(
                label=name_of(trial),
                x=coordinate(axis, trial.params[key]),
                y=trial.result or 0.0,
                state=trial.state.value,
                told=f"{setting(trial.params[key])}, {metric.name} {measured(metric.name, trial.result)}",
            )
            for trial in with_it
        )
        if dots:
            found.append(Slice(f"slice-{key}", key, axis, metric.name, dots))
    return tuple(found)


@dataclass(frozen=True)
class Attempt:
    """An attempt of an agent at a trial."""

    trial: str
    """What the trial is called."""
    start: float
    """Seconds since the epoch."""
    end: float
    state: str
    """Of the trial, as far as the attempt is its last one."""


@dataclass(frozen=True)
class Worked:
    """What an agent has done."""

    agent: str
    """Host, and the scheduler's job where it is known."""
    start: float
    """First sign of life, in seconds since the epoch."""
    end: float
    """Last sign of life."""
    attempts: tuple[Attempt, ...]
    """By start."""

    @property
    def busy(self) -> float:
        """Seconds in which it ran at least one trial."""
        total, until = 0.0, self.start
        for one in self.attempts:
            total += max(0.0, one.end - max(one.start, until))
            until = max(until, one.end)
        return total

    @property
    def idle(self) -> float:
        """Seconds between its first and its last sign of life in which it ran none."""
        end = max([self.end, *(one.end for one in self.attempts)])
        return max(0.0, end - self.start - self.busy)


def timeline(worked: Sequence[Worked]) -> Timeline | None:
    """Which agent ran what when; None where none has run anything.

    Args:
        worked: the agents, the first one first; of many the last ones are shown.
    """
    ran = [one for one in worked if one.attempts]
    shown = ran[-AGENTS:]
    if not shown:
        return None
    stints = tuple(
        Stint(one.trial, row, one.start, one.end, one.state, f"{agent.agent}, {duration(one.end - one.start)}")
        for row, agent in enumerate(shown)
        for one in agent.attempts
    )
    there = tuple((one.start, max([one.end, *(stint.end for stint in one.attempts)])) for one in shown)
    return Timeline("timeline", "Agents over time", tuple(one.agent for one in shown), there, stints, _said(ran, shown))


def _said(ran: Sequence[Worked], shown: Sequence[Worked]) -> tuple[str, ...]:
    busy, idle = (sum(getattr(one, what) for one in ran) for what in ("busy", "idle"))
    agents = f"{len(ran)} agent{'' if len(ran) == 1 else 's'}"
    told = [f"{agents} ran trials for {duration(busy)} together and idled for {duration(idle)}"]
    if len(shown) < len(ran):
        told.append(f"the last {len(shown)} are shown")
    return tuple(told)
