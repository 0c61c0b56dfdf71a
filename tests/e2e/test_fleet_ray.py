"""Agents as tasks of a real Ray cluster of two nodes, of which a worker is killed and a node removed. `make fleet`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.tracking import Client, TrackingServer, until
from tests.fleet.trials import sweep_of

pytest.importorskip("ray", reason="Ray is not installed: pip install 'kag[ray]'")

POINTS = 8
TRIAL = """
import os, signal, sys, time, wandb
from pathlib import Path

told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
run = wandb.init(settings=wandb.Settings(x_disable_stats=True))
point = run.config["x"]
Path(f"begun-{point}-{run.id}").write_text(str(os.getpid()))
for step in range(6):
    run.log({"loss": float(point)})
    if not told:
        time.sleep(0.5)
run.finish(exit_code=143 if told else 0)
if told:
    sys.exit(143)
with open("done", "a") as file:
    print(point, file=file)
"""
NODES = """
import json, sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
second = cluster.add_node(num_cpus=2)
print(json.dumps(cluster.address), flush=True)
for line in sys.stdin:
    if line.strip() == "remove":
        cluster.remove_node(second, allow_graceful=False)
        print("removed", flush=True)
cluster.shutdown()
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Any]:
    """Two Ray nodes of this host, which a process of its own holds."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    environment = {**kept, "RAY_raylet_start_wait_time_s": "180", "RAY_DISABLE_IMPORT_WARNING": "1"}
    # Who else fills this host's memory is no matter of the test.
    environment["RAY_memory_monitor_refresh_ms"] = "0"
    with (tmp_path / "nodes.log").open("w") as log:
        words = [sys.executable, "-c", NODES]
        held = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert held.stdin
    assert held.stdout
    yield held
    with contextlib.suppress(BrokenPipeError):
        held.stdin.close()
    held.wait(timeout=120)
    held.stdout.close()


def workers() -> list[int]:
    """Processes of Ray that run an agent."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and b"ray::run_agent" in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
    return found


@pytest.mark.slow(90, "on two nodes of Ray each point ends once, whatever of Ray is killed, and no process is left")
def test_agents_outlive_workers_and_nodes_of_ray(
    server: TrackingServer, tmp_path: Path, project: str, nodes: Any
) -> None:
    client = Client(server, tmp_path)
    (tmp_path / "trial.py").write_text(TRIAL)
    (tmp_path / "sweep.yaml").write_text(sweep_of(project, range(POINTS)))
    address = next(line for line in nodes.stdout if line.startswith('"')).strip().strip('"')
    words = ("sweep", "run", "sweep.yaml", "--on", "ray", "--agents", "4", "--runs", "elsewhere/runs")
    kag = (sys.executable, "-c", "from kag.cli.main import main; main()")
    python_path = os.pathsep.join([str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    call = client.start(*kag, *words, RAY_ADDRESS=address, PYTHONPATH=python_path)

    def begun(count: int) -> bool:
        assert call.poll() is None, call.log.read_text()
        return len(list(tmp_path.glob("begun-*"))) >= count

    until(lambda: begun(4), what="four trials")
    os.kill(workers()[0], signal.SIGKILL)
    until(lambda: begun(6), what="two more")
    nodes.stdin.write("remove\n")
    nodes.stdin.flush()
    call.ends()
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(POINTS))
    trials = [int(file.read_text()) for file in tmp_path.glob("begun-*")]
    until(lambda: not any(Path(f"/proc/{number}/cwd").exists() for number in trials), what="the end of all trials")
    assert not workers()
    assert list((tmp_path / "elsewhere" / "runs" / ".server" / "sweeps").glob("*/agent-*.log"))
