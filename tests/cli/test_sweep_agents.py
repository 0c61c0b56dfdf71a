"""Agents of `kag sweep`: their share of work, GPUs and cores; none outlives the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kag.cli import sweep_agents
from kag.cli.sweep_agents import end, environment_of, graphics, interruptible, session, shares_of
from kag.errors import ENDING, Interrupted
from tests.e2e.tracking import until


def test_trials_are_dealt_out_among_agents() -> None:
    assert shares_of(3, None) == [None, None, None]
    assert shares_of(3, 7) == [3, 2, 2]
    assert shares_of(3, 2) == [1, 1]


def test_each_agent_has_a_gpu_and_its_share_of_the_cores() -> None:
    found = [environment_of(number, 3, {"PATH": "/bin"}, ["4", "6"], 8) for number in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["4", "6", "4"]
    assert {one["OMP_NUM_THREADS"] for one in found} == {"2"}


def test_what_the_user_has_set_stays_and_one_agent_keeps_all_cores() -> None:
    assert "OMP_NUM_THREADS" not in environment_of(0, 4, {"OMP_NUM_THREADS": "3"}, [], 8)
    assert not {"OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"} & set(environment_of(0, 1, {}, [], 8))
    assert graphics({"CUDA_VISIBLE_DEVICES": "2, 5"}) == ["2", "5"]
    assert graphics({"CUDA_VISIBLE_DEVICES": ""}) == []


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends_the_block_once_and_cleaning_up_is_not_disturbed(number: signal.Signals) -> None:
    former = signal.getsignal(number)
    cleaned = []
    with pytest.raises(Interrupted) as left, interruptible():  # noqa: PT012
        try:
            os.kill(os.getpid(), number)
            signal.sigtimedwait([], 5.0)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)
    assert left.value.exit_code == 128 + number
    assert cleaned
    assert signal.getsignal(number) is former


@pytest.mark.parametrize("caught", ["and something else raised", "and passed over"])
def test_a_signal_counts_whatever_a_library_makes_of_it(caught: str) -> None:
    with pytest.raises(Interrupted), interruptible() as check:  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.sigtimedwait([], 5.0)
        except Interrupted:
            if caught == "and something else raised":
                raise RuntimeError("no connection") from None
        check()
        pytest.fail("the block went on")


STUBBORN = """
import pathlib, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


def start(code: str, marker: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", code, str(marker)]
    process = subprocess.Popen(words, start_new_session=True)
    until(marker.exists, what="the process")
    return process


def test_an_agent_that_will_not_end_is_killed_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_agents, "NOTICE_SECONDS", 0.1)
    monkeypatch.setattr(sweep_agents, "END_SECONDS", 0.1)
    agent = start(STUBBORN, tmp_path / "begun")
    members = session(agent.pid)
    assert len(members) == 2
    end([agent])
    assert agent.returncode == -signal.SIGKILL
    until(lambda: session(agent.pid) == [], what="the end of the child")


POLITE = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
for wanted in (1, 2):
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pathlib.Path(sys.argv[1]).write_text(str(wanted))
"""


def test_an_agent_gets_two_signals_and_time_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B's agent waits for its trial at the first one and ends it at the second one."""
    monkeypatch.setattr(sweep_agents, "NOTICE_SECONDS", 0.3)
    agent = start(POLITE, tmp_path / "begun")
    end([agent])
    assert (agent.returncode, (tmp_path / "begun").read_text()) == (0, "2")


ORPHANED = "(trap 'echo saved > saved; exit' TERM; : > ready; while :; do sleep 0.05; done) &"


def test_a_trial_whose_agent_is_gone_may_save_too(tmp_path: Path) -> None:
    agent = subprocess.Popen(["sh", "-c", ORPHANED], cwd=tmp_path, start_new_session=True)
    until((tmp_path / "ready").exists, what="the trial")
    agent.wait()
    end([agent])
    assert (tmp_path / "saved").exists()
    assert session(agent.pid) == []
