"""Agents as Ray tasks: what is asked of Ray, and what one of them does when its worker is told to end, or is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kag.cli.sweep_agents import last_error
from kag.errors import UserError
from kag.fleet.ray_tasks import RETRIES, Tasks, run_agent
from kag.fleet.shape import Shape
from tests.e2e.tracking import free_port, until

AGENT = """
import os, signal, sys, time
from pathlib import Path
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
Path("agent").write_text(str(os.getpid()))
while not told:
    time.sleep(0.02)
Path("saved").write_text(os.environ["WANDB_API_KEY"])
"""
WORKER = """
import sys
from kag.fleet.ray_tasks import run_agent
run_agent([sys.executable, "agent.py"], {"WANDB_API_KEY": "secret"}, sys.argv[1], sys.argv[1] + "/logs/agent-0.log")
"""


class Ray:
    """Ray's functions as far as kag calls them, as Ray 2.60 has them: the tasks end when the test says so."""

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(RayError=RuntimeError, RayTaskError=RecursionError)
        self.asked: dict[str, Any] = {}
        self.results: list[Any] = []
        self.done: list[int] = []
        self.said: list[Any] = []

    def init(self, **options: Any) -> None:
        self.said.append(("init", options["address"]))

    def remote(self, function: Any) -> Any:
        assert function is run_agent
        return self

    def options(self, **options: Any) -> Any:
        self.asked = options
        return SimpleNamespace(remote=self._begin)

    def _begin(self, *words: Any) -> int:
        self.said.append(words)
        self.results.append(0)
        return len(self.results) - 1

    def wait(self, tasks: list[int], *, num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        assert num_returns == len(tasks) > 0
        return [one for one in tasks if one in self.done], [one for one in tasks if one not in self.done]

    def get(self, task: int) -> Any:
        if isinstance(self.results[task], Exception):
            raise self.results[task]
        return self.results[task]

    def cancel(self, task: int, *, force: bool) -> None:
        assert not force, "a worker that is killed gives its agent no time"
        self.said.append(("cancel", task))

    def shutdown(self) -> None:
        self.said.append("shutdown")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    made = Ray()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.fixture
def address() -> Iterator[str]:
    """Of somebody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"ray://127.0.0.1:{server.getsockname()[1]}"


def test_each_agent_is_a_task_with_what_it_needs_and_those_left_are_told_to_end(
    ray: Ray, tmp_path: Path, address: str
) -> None:
    tasks = Tasks(address, Shape(3, cpus=2, gpus=1), ["kag"], {"A": "b"}, tmp_path, tmp_path / "logs")
    assert ray.said[0] == ("init", address)
    assert ray.said[2] == (["kag"], {"A": "b"}, str(tmp_path), str(tmp_path / "logs" / "agent-1.log"))
    assert (ray.asked["num_cpus"], ray.asked["num_gpus"], ray.asked["max_retries"]) == (2, 1, RETRIES)
    assert not tasks.over()
    ray.done = [0]
    assert (tasks.over(), tasks.lost) == (False, None)
    ray.results[2], ray.done = RuntimeError("the worker died"), [0, 2]
    assert (tasks.over(), tasks.lost) == (False, "an agent was killed")
    tasks.close()
    assert ray.said[4:] == [("cancel", 1), "shutdown"]


def test_a_node_that_cannot_run_agents_is_no_agent_that_was_killed(ray: Ray, tmp_path: Path, address: str) -> None:
    """What a task itself raises is told by Ray as a traceback of the worker, of which the last line says it."""
    tasks = Tasks(address, Shape(1), ["kag"], {}, tmp_path, tmp_path / "logs")
    told = "\x1b[36mray::run_agent()\x1b[39m (pid=7)\n  File ...\nModuleNotFoundError: No module named 'kag'"
    ray.results[0], ray.done = RecursionError(told), [0]
    assert tasks.over()
    assert tasks.lost == "a node cannot run agents: ModuleNotFoundError: No module named 'kag'"


@pytest.mark.parametrize("missing", ["command", "folder"])
def test_an_agent_that_cannot_begin_says_why_in_its_log(tmp_path: Path, missing: str) -> None:
    words, folder = (["/nowhere/wandb"], tmp_path) if missing == "command" else (["true"], tmp_path / "nowhere")
    log = tmp_path / "logs" / "agent-0.log"
    assert run_agent(words, {}, str(folder), str(log)) == 127
    absent = words[0] if missing == "command" else str(folder)
    said = f"no agent on {socket.gethostname()}: No such file or directory: {absent}"
    assert last_error(log) == f"; the last one said: {said}"


ENDS = {
    "no cluster answers: ray client connection timeout": ConnectionError("ray client connection timeout\nmore"),
    "no cluster answers: who listens there is none": SystemExit(15),
    "no cluster answers: ": RuntimeError(),
}


@pytest.mark.parametrize("said", ENDS)
def test_a_cluster_that_does_not_answer_is_the_users_word(
    ray: Ray, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    def init(**_: Any) -> None:
        raise ENDS[said]

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError) as caught:
        Tasks(address, Shape(1), ["kag"], {}, Path(), Path())
    assert caught.value.what == said.replace("no cluster", "no Ray cluster")
    assert "ray start --head" in str(caught.value.remedy)


@pytest.mark.parametrize("form", ["ray://127.0.0.1:{port}", "127.0.0.1:{port}", "ray://[::1]:{port}"])
def test_nobody_waits_for_a_cluster_at_whose_door_nobody_is(
    ray: Ray, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Named by an option, or by Ray's variable."""
    place = form.format(port=free_port())
    monkeypatch.setenv("RAY_ADDRESS", place)
    for given in (place, None):
        with pytest.raises(UserError, match="no Ray cluster answers") as caught:
            Tasks(given, Shape(1), ["kag"], {}, Path(), Path())
        assert caught.value.where == place
    assert ray.said == [], "Ray was not asked"


def test_a_cluster_of_this_machine_is_looked_for_by_ray(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for given in ("auto", None):
        Tasks(given, Shape(1), ["kag"], {}, Path(), Path()).close()
    assert [said for said in ray.said if said[0] == "init"] == [("init", "auto"), ("init", None)]


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed") as caught:
        Tasks(address, Shape(1), ["kag"], {}, Path(), Path())
    assert caught.value.remedy == "pip install 'kag[ray]'"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["cancelled", "killed"])
def test_no_agent_outlives_its_worker_and_each_has_time_to_save(tmp_path: Path, number: int) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", WORKER, str(tmp_path)]
    worker = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "agent").exists() and (tmp_path / "agent").read_text(), what="the agent")
    agent = int((tmp_path / "agent").read_text())
    worker.send_signal(number)
    worker.wait(timeout=120)
    until((tmp_path / "saved").exists, what="its last word")
    until(lambda: not Path(f"/proc/{agent}/cwd").exists(), what="its end")
    assert (tmp_path / "saved").read_text() == "secret", "variables reach it by no command line"
