"""Agents that are copies of one process: each is a process of its own, and its end is heard of whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.cli.crew import Crew
from kag.errors import RunFailed
from tests import warm

BEGIN = """
import json, os, signal, socket, sys
from pathlib import Path
from kag.cli.crew import Crew, Wanted, serve
from kag.cli.departure import Departure
from kag.cli.sweep_agents import session
from kag.cli.trials import Forked

departure = Departure()
control, other = socket.socketpair()
copied = os.fork()
if copied == 0:
    control.close()
    serve(other.detach(), departure)
    sys.exit()
other.close()
crew = Crew(control, Forked(copied), Path("0.log"))
calls = (["--bogus"], ["team/sites/abc"], ["--count", "x"])
with crew:
    crew.get_ready()
    agents = list(crew.begin(Wanted(words, {**os.environ}, f"{n}.log") for n, words in enumerate(calls)))
    refused = [agents[0].wait(), agents[2].wait()]
    living = agents[1]
    seen = {"refused": refused, "living": living.poll(), "leads": os.getsid(living.pid) == living.pid}
    seen["inside"] = len(session(living.pid))
    END
    seen["code"] = living.wait()
    while session(living.pid):
        pass
print(json.dumps(seen))
"""


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that takes every call and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def begun(folder: Path, server: str, end: str) -> dict[str, Any]:
    """What was seen of three agents: two whose command line is at fault, and one that is ended."""
    words = [sys.executable, "-c", BEGIN.replace("END", end)]
    env = {**os.environ, "WANDB_BASE_URL": server, "WANDB_API_KEY": "a" * 40, "WANDB_MODE": "online"}
    done = warm.run(words, cwd=folder, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def test_each_agent_leads_a_session_and_has_its_own_log_and_exit_code(tmp_path: Path, mute: str) -> None:
    seen = begun(tmp_path, mute, "living.send_signal(signal.SIGKILL)")
    assert seen["refused"] == [2, 2]
    assert seen["living"] is None
    assert seen["leads"]
    assert seen["inside"] >= 2, "itself, and what its trials are copies of"
    assert seen["code"] == -signal.SIGKILL
    logs = [(tmp_path / f"{number}.log").read_text() for number in range(3)]
    assert "--bogus" in logs[0]
    assert not {"--bogus", "--count", "Error"} & set(logs[1].split()), logs[1]
    assert "--count" in logs[2]


def test_agents_outlive_what_they_are_copies_of_and_their_end_is_noticed(tmp_path: Path, mute: str) -> None:
    ended = "os.kill(copied, signal.SIGKILL); crew._process.wait(); seen['after'] = living.poll(); "
    seen = begun(tmp_path, mute, ended + "living.send_signal(signal.SIGKILL)")
    assert seen["after"] is None
    assert seen["code"] == -signal.SIGKILL


def test_a_process_that_cannot_load_what_agents_need_is_said_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "kag").mkdir()
    (tmp_path / "kag" / "__init__.py").write_text("raise ImportError('half an installation')")
    log = tmp_path / "agent.log"
    with (
        pytest.raises(RunFailed, match=r"agent\.log"),
        Crew.started({**os.environ, "PYTHONPATH": str(tmp_path)}, log) as crew,
    ):
        crew.get_ready()
    assert "half an installation" in log.read_text()
