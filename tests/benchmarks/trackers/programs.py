"""Other trackers in environments of their own, outside of this tree: the newest that the registry has of each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.e2e.tracking import free_port, until

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "HF_HUB_OFFLINE": "1"}

FILL_TRACKIO = """
import json, sys
from trackio.sqlite_storage import SQLiteStorage
for run in json.load(open(sys.argv[1])):
    SQLiteStorage.bulk_log("many", run["name"], run["rows"], list(range(len(run["rows"]))), config=run["config"])
"""

SHOW_TRACKIO = """
import sys, trackio
trackio.show("many", open_browser=False, block_thread=True, server_port=int(sys.argv[1]))
"""

FILL_MLFLOW = """
import json, sys, time
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
client, now = MlflowClient("sqlite:///many.db"), int(1000 * time.time())
experiment = client.create_experiment("many", artifact_location="artifacts")
for i, run in enumerate(json.load(open(sys.argv[1]))):
    number = client.create_run(experiment, run_name=run["name"], start_time=now + i).info.run_id
    metrics = [Metric(key, value, now, step) for step, row in enumerate(run["rows"]) for key, value in row.items()]
    client.log_batch(number, metrics, [Param(key, str(value)) for key, value in run["config"].items()])
    client.set_terminated(number, end_time=now + i + 1000)
"""


@dataclass(frozen=True)
class Program:
    """Another tracker.

    Args:
        package: what it is called in the registry.
        fill: Python that logs the runs of a file by the quickest of its own ways that its page can show.
        serve: words that start its server; `{port}` stands for the port.
    """

    package: str
    fill: str
    serve: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Its environment, kept for the next time."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "kag-trackers" / self.package

    def install(self) -> str:
        """Bring its environment up to the newest; the version."""
        python = self.folder / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        subprocess.run([*pip, "install", "--upgrade", self.package], check=True, stderr=subprocess.DEVNULL)
        said = f"from importlib.metadata import version; print(version({self.package!r}))"
        return subprocess.run([python, "-c", said], check=True, capture_output=True, text=True).stdout.strip()

    @contextmanager
    def serving(self, file: Path, folder: Path) -> Iterator[tuple[str, int]]:
        """A server of it with the runs of a file, until the end of the block: its address and its process.

        Raises:
            CalledProcessError: it could not log the runs.
        """
        folder.mkdir()
        environment, port = {**os.environ, **QUIET, "TRACKIO_DIR": str(folder)}, free_port()
        fill = [self.folder / "bin" / "python", "-c", self.fill, file]
        subprocess.run(fill, check=True, cwd=folder, env=environment, capture_output=True)
        words = [word.format(port=port) for word in self.serve]
        words[0] = str(self.folder / "bin" / words[0])
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            address = f"http://127.0.0.1:{port}"
            until(partial(_answers, address), what=f"the server of {self.package}")
            yield address, process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


TRACKIO = Program("trackio", FILL_TRACKIO, ("python", "-c", SHOW_TRACKIO, "{port}"))
MLFLOW = Program(
    "mlflow",
    FILL_MLFLOW,
    ("mlflow", "server", "--backend-store-uri", "sqlite:///many.db", "--workers", "1", "--port", "{port}"),
)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True


def processor_seconds(root: int) -> float:
    """What a process has used so far, with all that it started by any of its threads."""
    stats = [(int(place.name), _stat(place)) for place in Path("/proc").glob("[0-9]*")]
    ticks = {number: sum(map(int, words[11:15])) for number, words in stats if words}
    ours = {root}
    while more := {number for number, words in stats if words and int(words[1]) in ours} - ours:
        ours |= more
    return sum(ticks.get(number, 0) for number in ours) / os.sysconf("SC_CLK_TCK")


def _stat(place: Path) -> list[str]:
    """What the kernel says of a process, from its state on; nothing of one that has ended."""
    try:
        return (place / "stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
