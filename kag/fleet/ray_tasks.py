"""Agents as Ray tasks: Ray finds them nodes, and starts one anew whose worker or node was lost."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

from kag.errors import UserError
from kag.fleet.shape import GRACE_SECONDS, KILLED, Shape

RETRIES = 20
"""Times that an agent may lose its worker or its node; the sweep bounds how often a point may lose its agent."""

ANSWER_SECONDS = 10.0
"""In which a cluster answers, or is not there."""

_REMEDY = "`ray start --head` begins one; --on ray://HOST:PORT or RAY_ADDRESS names the one that runs"
_PR_SET_PDEATHSIG = 1
_NOT_STARTED = 127


def run_agent(words: Sequence[str], variables: Mapping[str, str], folder: str, log: str) -> int:
    """What a task does: run an agent to its end, in the folder of the one who asked; its exit code, as a shell's.

    The agent leads a session of its own and is told to end when the worker ends, whatever ends that: no agent and no
    trial is left behind. Variables come as an argument: those of a runtime environment stand in Ray's logs.
    """
    os.makedirs(os.path.dirname(log), exist_ok=True)
    environment = {**os.environ, **variables}
    # Ray sets it to the number of CPUs of the task, if at all; a person's own wins.
    environment.setdefault("OMP_NUM_THREADS", "1")
    with open(log, "ab") as output:
        try:
            process = Popen(
                words,
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            output.write(f"error: no agent on {socket.gethostname()}: {error.strerror}: {error.filename}\n".encode())
            return _NOT_STARTED
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE_SECONDS)
            except TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Tasks:
    """Agents as tasks of a Ray cluster, while they go on.

    Args:
        address: `ray://host:port`, or `auto` for the cluster that this machine belongs to, or None to start one here.
        shape: of the agents.
        words: that start an agent.
        variables: that each of them gets.
        folder: where they run, on a file system that all nodes see.
        logs: folder of a log each.

    Raises:
        UserError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(
        self,
        address: str | None,
        shape: Shape,
        words: Sequence[str],
        variables: Mapping[str, str],
        folder: Path,
        logs: Path,
    ) -> None:
        self._ray = _connected(address)
        task = self._ray.remote(run_agent).options(
            num_cpus=shape.cpus,
            num_gpus=shape.gpus,
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )
        self._tasks = [
            task.remote([*words], {**variables}, str(folder), str(logs / f"agent-{number}.log"))
            for number in range(shape.agents)
        ]
        self._left = list(self._tasks)
        self.lost: str | None = None
        """What is known of an agent that did not end by itself."""

    def over(self) -> bool:
        """Whether all of them have ended."""
        if self._left:
            done, self._left = self._ray.wait(self._left, num_returns=len(self._left), timeout=0)
            for one in done:
                self.lost = self._lost(one) or self.lost
        return not self._left

    def wait(self, seconds: float) -> None:
        """Let some time pass."""
        time.sleep(seconds)

    def close(self) -> None:
        """End the agents that go on, with time for their trials to save, and leave the cluster."""
        for one in self._left:
            self._ray.cancel(one, force=False)
        if self._left:
            self._ray.wait(self._left, num_returns=len(self._left), timeout=GRACE_SECONDS)
        self._ray.shutdown()

    def _lost(self, task: Any) -> str | None:
        try:
            return KILLED if int(self._ray.get(task)) < 0 else None
        except self._ray.exceptions.RayTaskError as error:
            return f"a node cannot run agents: {str(error).strip().splitlines()[-1]}"
        except self._ray.exceptions.RayError:
            return KILLED


def _connected(address: str | None) -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError("Ray is not installed", remedy="pip install 'kag[ray]'") from error
    place = address or os.environ.get("RAY_ADDRESS")
    _require_listening(place)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    # Ray ends the process where who listens is no cluster, after some two minutes.
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError, SystemExit) as error:
        why = next(iter(str(error).splitlines()), "") if isinstance(error, Exception) else "who listens there is none"
        raise UserError(f"no Ray cluster answers: {why}", where=place, remedy=_REMEDY) from error
    return ray


def _require_listening(place: str | None) -> None:
    """Knock at a cluster's door: Ray itself waits for minutes for one that is not there.

    Raises:
        UserError: nobody opens within `ANSWER_SECONDS`.
    """
    host, _, port = (place or "").rpartition("//")[2].rpartition(":")
    if not port.isdecimal():  # `auto`, or none: Ray looks for one on this machine
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(f"no Ray cluster answers: {error}", where=place, remedy=_REMEDY) from error
