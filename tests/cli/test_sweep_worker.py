"""What an agent does with its trial when a signal or the server tells it to; and how a trial's end is heard."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.cli.listening import listening
from kag.cli.sweep_agents import COPIED_RUN, runs_of
from kag.cli.sweep_worker import KILL_SECONDS, Ending, Stage, signal_for, stage_of
from kag.cli.trials import Copied, Spawned
from kag.errors import ENDING
from kag.sweep.program import plain_call
from tests.e2e.tracking import until

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize(
    ("received", "stage"),
    [
        ([], Stage.WORKING),
        ([signal.SIGINT], Stage.LAST_TRIAL),
        ([signal.SIGINT] * 2, Stage.ENDING),
        ([signal.SIGINT] * 3, Stage.KILLING),
        ([signal.SIGTERM], Stage.ENDING),
        ([signal.SIGINT, signal.SIGTERM], Stage.ENDING),
        ([signal.SIGUSR1, signal.SIGTERM], Stage.ENDING),
        ([signal.SIGTERM, signal.SIGINT], Stage.KILLING),
    ],
)
def test_each_signal_is_more_urgent(received: list[int], stage: Stage) -> None:
    assert stage_of(received) is stage


@given(st.lists(st.tuples(st.lists(st.sampled_from(ENDING), max_size=1), st.booleans()), max_size=12))
def test_a_trial_is_told_once_to_end_and_killed_only_after_that_or_by_three(
    events: list[tuple[list[int], bool]],
) -> None:
    received: list[int] = []
    ending, sent = Ending(), []
    for second, (signals, stop) in enumerate(events):
        received += signals
        ending, number = signal_for(ending, stage_of(received), stop=stop, now=float(second))
        sent += [number] if number else []
    stopped = any(stop for _, stop in events)
    assert sent.count(signal.SIGTERM) <= stopped + 1
    assert (signal.SIGKILL in sent) == (stage_of(received) is Stage.KILLING)
    assert bool(sent) == (stopped or stage_of(received) >= Stage.ENDING)


def test_a_trial_that_goes_on_after_a_stop_is_killed() -> None:
    ending, number = signal_for(Ending(), Stage.WORKING, stop=True, now=5.0)
    assert number == signal.SIGTERM
    ending, number = signal_for(ending, Stage.WORKING, stop=True, now=4.9 + KILL_SECONDS)
    assert number is None
    assert signal_for(ending, Stage.WORKING, stop=False, now=5.0 + KILL_SECONDS)[1] == signal.SIGKILL


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("/usr/bin/env kag train a.yaml seed=1", "train a.yaml seed=1"),
        ("/opt/bin/kag train a.yaml", "train a.yaml"),
        ("/py -P -m kag.cli.main train a.yaml", "train a.yaml"),
        ("/usr/bin/env OMP_NUM_THREADS=3 kag train a.yaml", None),
        ("/other/python -m kag.cli.main train a.yaml", None),
        ("torchrun --nproc-per-node 2 -m kag.cli.main train a.yaml", None),
        ("python train.py", None),
        ("kag eval train", None),
    ],
)
def test_what_only_calls_kag_train_is_known_from_what_somebody_has_wrapped(words: str, call: str | None) -> None:
    assert plain_call(words.split(), "/py") == (None if call is None else tuple(call.split()))


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_a_wait_and_interrupts_nothing(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    with listening() as ears:
        os.kill(os.getpid(), number)
        ears.wait(600.0)
        assert ears.received == [number]
    assert signal.getsignal(number) is former


def test_the_end_of_a_child_ends_a_wait_and_is_no_wish_to_end() -> None:
    with listening() as ears:
        trial = Spawned([sys.executable, "-c", "raise SystemExit(3)"], os.environ)
        while trial.poll() is None:
            ears.wait(600.0)
        assert (trial.poll(), ears.received) == (3, [])


class Told:
    """A trial of a template that says what a test wants."""

    def __init__(self) -> None:
        self.control, self.other = socket.socketpair()
        self.template = subprocess.Popen(SLEEP)
        self.process = subprocess.Popen(SLEEP)
        self.trial = Copied(self.control, self.template)

    def says(self, text: str) -> None:
        self.other.sendall(text.encode())

    def close(self) -> None:
        self.control.close()
        self.other.close()
        for process in (self.template, self.process):
            process.kill()
            process.wait()


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    yield made
    made.close()


def test_a_copy_is_heard_of_when_it_begins_and_when_it_ends(told: Told) -> None:
    assert told.trial.poll() is None
    told.says(f"{told.process.pid}\n")
    assert told.trial.poll() is None
    told.trial.send(signal.SIGTERM)
    assert told.process.wait() == -signal.SIGTERM, "it gets the signal, not the template"
    told.says("-1")
    assert told.trial.poll() is None, "half a line is no code"
    told.says("5\n")
    assert told.trial.poll() == -15


def test_a_copy_whose_template_was_killed_is_told_to_end_and_ends_for_the_agent_when_it_is_gone(told: Told) -> None:
    told.says(f"{told.process.pid}\n")
    assert told.trial.poll() is None
    told.other.close()
    until(lambda: told.trial.poll() is not None, what="the end of the trial")
    assert told.process.wait() == -signal.SIGTERM


def test_a_template_that_has_made_no_copy_yet_ends_in_its_place(told: Told) -> None:
    told.trial.send(signal.SIGKILL)
    assert told.template.wait() == -signal.SIGKILL
    told.other.close()
    assert told.trial.poll() == -signal.SIGTERM
    assert told.process.poll() is None


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system lists no descriptors")
def test_the_run_of_a_copy_is_known_by_the_file_that_it_holds() -> None:
    file = os.memfd_create(f"{COPIED_RUN}abc-0001")
    try:
        assert runs_of(os.getpid()) == ["abc-0001"]
    finally:
        os.close(file)
    assert runs_of(os.getpid()) == []
