"""Leases: whatever agents, runs and the network do, each point of a grid finishes once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kag.sweep import Command, Limits, SweepState, Trial, TrialState, parse_sweep
from kag.sweep.step import Outcome, absorb
from kag.sweep.trial import reopen
from tests.sweep.whole import step

LIMITS = Limits(lease=100.0, failures=3, losses=50)
GRID = parse_sweep({"method": "grid", "parameters": {"x": {"values": [0, 1, 2, 3]}}})


def beat(
    trials: list[Trial],
    agent: str = "a",
    running: set[str] | None = None,
    now: float = 0.0,
    runs: dict[str, Outcome] | None = None,
    seen: dict[str, float] | None = None,
    state: SweepState = SweepState.RUNNING,
    living: set[str] | None = None,
) -> Any:
    taken_in = absorb(trials, runs or {}, seen or dict.fromkeys(runs or {}, now), now=now, limits=LIMITS)
    words = {"sweep_id": "s", "agent": agent, "running": frozenset(running or ()), "now": now, "seed": 0}
    return step(GRID, state, taken_in, limits=LIMITS, living=frozenset(living or ()), **words)


def test_an_idle_agent_gets_one_point_and_a_busy_one_nothing() -> None:
    first = beat([])
    assert first.commands == [Command("run", "s-0000", {"x": 0})]
    assert beat(first.trials, running={"s-0000"}).commands == []
    assert beat(first.trials, agent="b").commands == [Command("run", "s-0001", {"x": 1})]


def test_a_lost_answer_is_sent_again_as_the_same_run() -> None:
    first = beat([])
    again = beat(first.trials)
    assert again.commands == first.commands
    assert len(again.trials) == 1


def test_a_command_that_never_starts_comes_again_after_the_other_points_and_is_given_up() -> None:
    trials: list[Trial] = []
    told = []
    for _ in range(40):
        result = beat(trials)
        trials = result.trials
        told += [command.run for command in result.commands]
    points = ("s-0000", "s-0001", "s-0002", "s-0003")
    rounds = [f"{run}{suffix}" for suffix in ("", "-2", "-3") for run in points for _ in range(2)]
    assert told[:24] == rounds, "each attempt is sent twice, each point is tried three times, in three rounds"
    assert set(told[24:]) == {None}, "the agent is sent home"
    assert {trial.state for trial in trials} == {TrialState.FAILED}


def test_what_is_broken_for_a_while_costs_no_point() -> None:
    """A file of the program is being edited: nothing starts for twelve heartbeats, then everything works."""
    trials: list[Trial] = []
    now, finished = 0.0, []
    for number in range(60):
        result = beat(trials, now=now)
        trials, now = result.trials, now + 5.0
        run = next((command.run for command in result.commands if command.type == "run"), None)
        if run is not None and number >= 12:
            trials = beat(trials, running={run}, now=now).trials
            trials = absorb(trials, {run: Outcome.FINISHED}, {run: now}, now=now, limits=LIMITS)
            finished.append(run)
    assert [trial.state for trial in trials] == [TrialState.FINISHED] * 4
    assert len(finished) == 4


def test_an_interrupted_run_gives_its_point_back_and_is_no_failure() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    result = beat(trials, agent="b", runs={"s-0000": Outcome.INTERRUPTED})
    assert result.commands == [Command("run", "s-0000-2", {"x": 0})]
    assert (result.trials[0].failures, result.trials[0].losses) == (0, 1)


def test_a_search_without_end_tries_a_failed_point_again_at_once() -> None:
    sweep = parse_sweep({"method": "random", "parameters": {"x": {"min": 0, "max": 9}}})
    failed = Trial(id=0, params={"x": 1}, failures=1, attempt=1)
    words = {"sweep_id": "s", "agent": "a", "running": frozenset[str](), "now": 0.0, "seed": 0, "limits": LIMITS}
    assert step(sweep, SweepState.RUNNING, [failed], **words).commands[0].run == "s-0000-2"


def test_a_reopened_point_has_its_attempts_again_and_an_ended_one_stays_ended() -> None:
    given_up = Trial(id=0, params={"x": 0}, state=TrialState.FAILED, failures=3, losses=2, attempt=3)
    again = reopen(given_up)
    assert (again.state, again.failures, again.losses, again.attempt) == (TrialState.FREE, 0, 0, 3)
    done = given_up.model_copy(update={"state": TrialState.FINISHED})
    assert reopen(done) == done


def test_a_dead_agent_gives_its_point_back_and_the_next_attempt_has_its_own_run() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    early = beat(trials, agent="b", now=99.0)
    assert early.commands[0].run == "s-0001"
    late = beat(early.trials, agent="b", now=101.0, runs={"s-0001": Outcome.FINISHED})
    assert late.commands == [Command("run", "s-0000-2", {"x": 0})]


def test_an_orphan_that_still_streams_keeps_its_point_and_may_finish_it() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    streaming = beat(trials, agent="b", now=150.0, runs={"s-0000": Outcome.RUNNING}, seen={"s-0000": 120.0})
    assert streaming.commands[0].run == "s-0001"
    done = beat(streaming.trials, agent="b", running={"s-0001"}, now=400.0, runs={"s-0000": Outcome.FINISHED})
    assert done.trials[0].state is TrialState.FINISHED


def test_an_orphan_that_comes_back_too_late_is_told_to_stop() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    taken = beat(trials, agent="b", now=200.0)
    assert taken.commands[0].run == "s-0000-2"
    assert beat(taken.trials, agent="a", running={"s-0000"}, now=201.0).commands == [Command("stop", "s-0000")]


def test_a_trial_that_was_killed_under_a_living_agent_counts_once_and_is_retried_at_once() -> None:
    """Nobody ends the run of a killed process: it reads as running long after the agent has said that it is over."""
    runs, seen = {"s-0003": Outcome.RUNNING}, {"s-0003": 10.0}
    trials: list[Trial] = []
    for number in range(4):
        trials = beat(trials, now=10.0).trials
        if number < 3:
            done = {f"s-000{number}": Outcome.FINISHED}
            trials = absorb(trials, done, {}, now=10.0, limits=LIMITS)
    trials = beat(trials, running={"s-0003"}, now=10.0, runs=runs, seen=seen).trials
    paused = beat(trials, now=12.0, runs=runs, seen=seen, state=SweepState.PAUSED)
    assert (paused.trials[3].state, paused.trials[3].failures) == (TrialState.FREE, 1)
    again = beat(paused.trials, now=14.0, runs=runs, seen=seen)
    assert again.commands == [Command("run", "s-0003-2", {"x": 3})]
    assert (again.trials[3].failures, again.trials[3].losses) == (1, 0)


@pytest.mark.parametrize(("end", "counted"), [(Outcome.FAILED, (1, 0)), (Outcome.INTERRUPTED, (0, 1))])
def test_an_end_counts_once_however_long_the_process_is_on_its_way_out(end: Outcome, counted: tuple[int, int]) -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    for _ in range(3):
        leaving = beat(trials, running={"s-0000"}, runs={"s-0000": end})
        assert leaving.commands == []
        trials = leaving.trials
    trials = beat(trials, runs={"s-0000": end}, state=SweepState.PAUSED).trials
    assert (trials[0].state, trials[0].failures, trials[0].losses) == (TrialState.FREE, *counted)


def test_a_run_that_is_done_but_not_yet_gone_is_left_alone() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    assert beat(trials, running={"s-0000"}, runs={"s-0000": Outcome.FINISHED}).commands == []


def test_a_failed_point_is_retried_a_bounded_number_of_times_after_the_others() -> None:
    trials: list[Trial] = []
    seen = []
    for attempt in range(6):
        result = beat(trials, now=float(attempt))
        seen.append(result.commands[0].run)
        trials = beat(result.trials, running={seen[-1]}, now=float(attempt)).trials
        end = Outcome.FAILED if trials[0].run == seen[-1] else Outcome.FINISHED
        trials = absorb(trials, {seen[-1]: end}, {}, now=float(attempt), limits=LIMITS)
    assert seen == ["s-0000", "s-0001", "s-0002", "s-0003", "s-0000-2", "s-0000-3"]
    assert trials[0].state is TrialState.FAILED
    assert beat(trials).commands == [Command("exit")]


def test_cancel_stops_what_runs_and_sends_idle_agents_home() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    busy = beat(trials, running={"s-0000"}, state=SweepState.CANCELED)
    assert busy.commands == [Command("stop", "s-0000")]
    ended = beat(busy.trials, runs={"s-0000": Outcome.FAILED}, state=SweepState.CANCELED)
    assert ended.commands == [Command("exit")]
    assert ended.trials[0].state is TrialState.STOPPED


def test_pause_lets_run_what_runs_and_starts_nothing() -> None:
    trials = beat(beat([]).trials, running={"s-0000"}).trials
    assert beat(trials, running={"s-0000"}, state=SweepState.PAUSED).commands == []
    assert beat(trials, agent="b", state=SweepState.PAUSED).commands == []


def test_agents_wait_for_points_that_may_come_back_and_then_go_home() -> None:
    trials: list[Trial] = []
    for number in range(4):
        trials = beat(beat(trials, agent=str(number)).trials, agent=str(number), running={f"s-000{number}"}).trials
    assert beat(trials, agent="9").commands == []
    assert beat(trials, agent="9", living={"0", "1", "2"}).commands == [], "what the fourth holds may come back"
    left = beat(trials, agent="9", living={"0", "1", "2", "3"})
    assert (left.commands, left.over) == ([Command("exit")], False)
    runs = {f"s-000{number}": Outcome.FINISHED for number in range(4)}
    last = beat(trials, agent="9", runs=runs)
    assert (last.commands, last.over) == ([Command("exit")], True)


def test_the_last_living_agent_takes_the_retry_itself() -> None:
    trials = beat(beat([], agent="a").trials, agent="a", running={"s-0000"}).trials
    for number in range(1, 4):
        trials = beat(trials, agent="b").trials
        trials = absorb(trials, {f"s-000{number}": Outcome.FINISHED}, {}, now=0.0, limits=LIMITS)
    assert beat(trials, agent="b", living={"a", "b"}).commands == [Command("exit")]
    failed = absorb(trials, {"s-0000": Outcome.FAILED}, {}, now=0.0, limits=LIMITS)
    assert beat(failed, agent="a", living={"a"}).commands == [Command("run", "s-0000-2", {"x": 0})]


@dataclass
class Process:
    """A training process in the model world."""

    run: str
    point: int
    reported: bool = False


@dataclass
class Worker:
    """An agent in the model world."""

    name: str
    process: Process | None = None
    gone: bool = False
    orphans: list[Process] = field(default_factory=list)
    begun: float = 0.0


class Chaos(RuleBasedStateMachine):
    """Agents beat, die, lose answers; processes report, finish, fail and survive their agents."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.trials: list[Trial] = []
        self.runs: dict[str, Outcome] = {}
        self.seen: dict[str, float] = {}
        self.finished: list[int] = []
        self.workers = [Worker(f"w{i}") for i in range(3)]
        self.born = 3
        self.over = False
        self.heard: dict[str, float] = {}

    def heartbeat(self, worker: Worker, lost: bool) -> None:
        running = {worker.process.run} if worker.process else set()
        self.heard[worker.name] = self.now
        since = max(self.now - LIMITS.lease, worker.begun)
        living = {name for name, then in self.heard.items() if then > since}
        result = beat(self.trials, worker.name, running, self.now, self.runs, self.seen, living=living)
        self.trials = result.trials
        self.over = result.over
        if lost:
            return
        for command in result.commands:
            if command.type == "run":
                assert worker.process is None
                worker.process = Process(str(command.run), (command.params or {})["x"])
            elif command.type == "stop":
                worker.process = None
            else:
                worker.gone = True

    def processes(self) -> list[tuple[Worker, Process]]:
        living = [(worker, worker.process) for worker in self.workers if worker.process]
        return living + [(worker, orphan) for worker in self.workers for orphan in worker.orphans]

    def remove(self, worker: Worker, process: Process) -> None:
        if worker.process is process:
            worker.process = None
        else:
            worker.orphans.remove(process)

    @rule(index=st.integers(0, 2), lost=st.booleans(), wait=st.floats(1, 20))
    def beats(self, index: int, lost: bool, wait: float) -> None:
        self.now += wait
        if not self.workers[index].gone:
            self.heartbeat(self.workers[index], lost)

    @precondition(lambda self: self.processes())
    @rule(pick=st.integers(0, 99), ends=st.sampled_from(["report", "finish", "vanish"]))
    def process_acts(self, pick: int, ends: str) -> None:
        worker, process = self.processes()[pick % len(self.processes())]
        if ends == "vanish":
            self.remove(worker, process)
            return
        trial = next(trial for trial in self.trials if trial.params["x"] == process.point)
        if trial.run != process.run:
            self.remove(worker, process)  # the server answers its stream with `stopped`
            return
        self.seen[process.run] = self.now
        self.runs[process.run] = Outcome.RUNNING
        if ends == "finish":
            self.runs[process.run] = Outcome.FINISHED
            self.finished.append(process.point)
            self.remove(worker, process)

    @rule(index=st.integers(0, 2), orphaned=st.booleans())
    def agent_is_killed(self, index: int, orphaned: bool) -> None:
        worker = self.workers[index]
        orphans = [*worker.orphans, *([worker.process] if worker.process and orphaned else [])]
        self.born += 1
        self.workers[index] = Worker(f"w{self.born}", orphans=orphans, begun=self.now)

    @rule()
    def time_passes(self) -> None:
        self.now += 150.0

    @invariant()
    def no_point_has_two_trials_or_finishes_twice(self) -> None:
        points = [trial.params["x"] for trial in self.trials]
        assert len(points) == len(set(points))
        assert len(self.finished) == len(set(self.finished))

    def teardown(self) -> None:
        """Left alone with agents that do their work, the sweep comes to its end with nothing lost."""
        for _ in range(200):
            self.now += 30.0
            for worker in self.workers:
                for process in [worker.process, *worker.orphans]:
                    if process is not None:
                        self.finish_quietly(worker, process)
                self.heartbeat(worker, lost=False) if not worker.gone else None
            if self.over:
                break
        states = {trial.params["x"]: trial.state for trial in self.trials}
        assert self.over
        assert set(states) == {0, 1, 2, 3}
        assert all(state.over for state in states.values())
        assert {point for point, state in states.items() if state is TrialState.FINISHED} == set(self.finished)
        self.no_point_has_two_trials_or_finishes_twice()

    def finish_quietly(self, worker: Worker, process: Process) -> None:
        trial = next(trial for trial in self.trials if trial.params["x"] == process.point)
        if trial.run == process.run:
            self.runs[process.run] = Outcome.FINISHED
            self.seen[process.run] = self.now
            self.finished.append(process.point)
        self.remove(worker, process)


Chaos.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestChaos = Chaos.TestCase
