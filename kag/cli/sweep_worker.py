"""What `kag agent` does: asks for a point, sees the trial through, and asks for the next one when that has ended."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from enum import IntEnum
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any, NamedTuple

from kag.cli.listening import Listening
from kag.cli.sweep_server import Command, SweepGone, SweepServer
from kag.cli.trials import Trial, Workplace
from kag.errors import Interrupted, RunFailed
from kag.view.terminal import echo

BEAT_SECONDS = 5.0
"""Between two signs of life while a trial goes on; W&B's own agent gives one as often."""

FIRST_WAIT, LONGEST_WAIT = 0.2, 5.0
"""Seconds until an agent that got no point asks again; each time twice as long."""

KILL_SECONDS = 30.0
"""A trial that the server stops is killed if it goes on for so long."""

FAILURES = 5
"""Trials that fail one after another before one ends well: then none will, as W&B's agent sees it, too."""


class Stage(IntEnum):
    """What an agent that was told to end does with the trial that goes on."""

    WORKING = 0
    LAST_TRIAL = 1
    """It may end."""
    ENDING = 2
    """It is told to save and end."""
    KILLING = 3


def stage_of(received: Sequence[int]) -> Stage:
    """What signals ask for: each Ctrl-C one stage more, any other one the trial's end at once.

    Others come twice without asking for more: SLURM tells every process of a job, and its batch script tells its agent.
    """
    stage = 0
    for number in received:
        stage = stage + 1 if number == SIGINT else max(stage, Stage.ENDING)
    return Stage(min(stage, Stage.KILLING))


class Ending(NamedTuple):
    """How a trial is being ended."""

    stage: Stage = Stage.WORKING
    """What the signals of this agent asked for when it was last looked at."""
    stopped: float | None = None
    """When the server has stopped it, or None."""


def signal_for(ending: Ending, wanted: Stage, *, stop: bool, now: float) -> tuple[Ending, int | None]:
    """What to send to a trial now, and how it is being ended from then on.

    Args:
        ending: so far.
        wanted: what the signals of this agent ask for.
        stop: whether the server wants it to stop.
        now: seconds of any clock.
    """
    stopped = now if stop and ending.stopped is None else ending.stopped
    after = Ending(wanted, stopped)
    late = stopped is not None and now >= stopped + KILL_SECONDS
    if late or (wanted is Stage.KILLING and ending.stage is not wanted):
        return after, SIGKILL
    told = stopped is not ending.stopped or (wanted is Stage.ENDING and ending.stage < wanted)
    return after, SIGTERM if told else None


class Worker:
    """One worker at a sweep.

    Args:
        server: of the sweep.
        workplace: where trials are started.
        ears: what ends a wait.
        command: of the sweep.
        environment: of the trials.
    """

    def __init__(
        self,
        server: SweepServer,
        workplace: Workplace,
        ears: Listening,
        command: Sequence[Any],
        environment: Mapping[str, str],
    ) -> None:
        self._server, self._workplace, self._ears = server, workplace, ears
        self._command, self._environment = command, environment
        self._patience = int(environment.get("WANDB_AGENT_MAX_INITIAL_FAILURES") or FAILURES)
        self._codes: list[int] = []

    def work(self, count: int | None) -> None:
        """Work until the sweep is over, so many trials have ended, or a signal says so.

        Raises:
            Interrupted: by a signal; what the trial has done is saved.
            SweepGone: the sweep was deleted.
            RunFailed: one trial after another has failed.
        """
        wait = FIRST_WAIT
        while not self._ears.received and len(self._codes) != count:
            commands = self._server.heartbeat([]) or ()
            if any(one.type == "exit" for one in commands):
                return
            point = next((one for one in commands if one.type in ("run", "resume")), None)
            if point is None:
                self._ears.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)
                continue
            wait = FIRST_WAIT
            if self._see_through(point):
                return
            self._give_up_if_none_succeeds()
        if self._ears.received:
            number = self._ears.received[0]
            remedy = f"`kag agent {self._server.path}` goes on with the sweep"
            raise Interrupted(f"{Signals(number).name} received", signal_number=number, remedy=remedy)

    def _see_through(self, point: Command) -> bool:
        """Run a trial to its end; whether the server has told the agent to end."""
        words, environment = self._server.trial_of(point, self._command, self._environment)
        echo(f"{point.run} begins: {shlex.join(words)}")
        trial = self._workplace.begin(words, environment)
        try:
            return self._followed(trial, point.run)
        finally:
            if (code := trial.poll()) is None:
                trial.send(SIGTERM)
            else:
                self._codes.append(code)
                echo(f"{point.run} ended {_how(code)}")

    def _followed(self, trial: Trial, run: str) -> bool:
        ending, beat, leave = Ending(), time.monotonic(), False
        gone: SweepGone | None = None
        while trial.poll() is None:
            now = time.monotonic()
            told: Sequence[Command] = ()
            if now >= beat and gone is None:
                beat = now + BEAT_SECONDS
                try:
                    told = self._server.heartbeat([run]) or ()
                except SweepGone as error:
                    gone = error  # the trial may end all the same
            leave = leave or any(one.type == "exit" for one in told)
            wanted = Stage.KILLING if leave else stage_of(self._ears.received)
            stop = any(one.type == "stop" and one.run == run for one in told)
            ending, number = signal_for(ending, wanted, stop=stop, now=now)
            if number is not None:
                trial.send(number)
            self._ears.wait(BEAT_SECONDS if gone is not None else max(beat - time.monotonic(), 0.0), trial.wakes)
        if gone is not None:
            raise gone
        return leave

    def _give_up_if_none_succeeds(self) -> None:
        failed = sum(code > 0 for code in self._codes)
        if failed >= max(self._patience, len(self._codes) - failed + 1):
            raise RunFailed(
                f"{failed} trials have failed, and no more have ended well", remedy="what they said is above"
            )


def _how(code: int) -> str:
    return f"with code {code}" if code >= 0 else f"by {Signals(-code).name}"
