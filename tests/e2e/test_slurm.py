"""`sweeps/slurm.sh` as SLURM would start it: array tasks are agents of one sweep, and SIGTERM comes before the end."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from kag.fleet.batch import shipped_script
from kag.fleet.shape import TERM_SECONDS
from kag.weights.storage import load_torch
from tests.e2e import hurried
from tests.e2e.tracking import ROOT, Client, Logged, TrackingServer, until
from tests.jobs import TORCHRUN

SCRIPT = ROOT / "sweeps" / "slurm.sh"
KAG = ROOT / "tests" / "train" / "kag_script.py"
BATCH = 32
TRAIN = 0
"""Number of the train split in the file."""

SPEC = """
name: tiny
epochs: 10000
data: {{file: demo.h5, batch_size: {batch}}}
early_stopping: null
model:
  hidden: [8]
  attention: {{heads: 2, layers: 1, width: 8, feedforward: 8}}
trainer: {{devices: 2}}
"""
SWEEP = """
program: kag
project: {project}
method: grid
metric: {{name: val/auprc, goal: maximize}}
parameters: {{seed: {{values: [1]}}}}
command: ["${{env}}", python, {kag}, train, tiny.yaml, track.mode=auto, "${{args_no_hyphens}}"]
"""
"""Both processes of a trial are copies."""


def task(number: int) -> dict[str, str]:
    """What SLURM sets for one task of an array on a node."""
    job = {"SLURM_JOB_NAME": "kag-agent", "SLURM_JOB_ID": str(70 + number), "SLURM_ARRAY_JOB_ID": "70"}
    place = {"SLURM_NTASKS": "1", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_JOB_NODELIST": "localhost"}
    process = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_CPUS_PER_TASK": "1"}
    return {**job, **place, **process, "SLURM_ARRAY_TASK_ID": str(number)}


@pytest.fixture(scope="module")
def server(make_server: Callable[..., TrackingServer]) -> TrackingServer:
    return make_server("sqlite", "--lease", "15")


@pytest.fixture
def cluster(server: TrackingServer, tmp_path: Path, synthetic_file: Path) -> Iterator[Client]:
    """A folder that all nodes see, with data in it; W&B's agent is in a hurry."""
    client = Client(server, tmp_path)
    for name in TORCHRUN:
        client.env.pop(name, None)
    client.env["TMPDIR"] = str(tmp_path)
    commands = tmp_path / "bin"
    commands.mkdir()
    hurried.install(commands, is_bare=True)
    client.env["PATH"] = f"{commands}{os.pathsep}{client.env['PATH']}"
    (tmp_path / "demo.h5").symlink_to(synthetic_file)
    yield client
    for started in client.started:
        started.send_signal(signal.SIGTERM)
        started.ends(code=None)


def new_sweep(client: Client, project: str) -> str:
    """Make a sweep as a person would; the path to give to the script."""
    (client.folder / "tiny.yaml").write_text(SPEC.format(batch=BATCH))
    (client.folder / "sweep.yaml").write_text(SWEEP.format(project=project, kag=KAG))
    found = re.search(r"wandb agent (\S+)", client.run("wandb", "sweep", "sweep.yaml", WANDB_SILENT="false"))
    assert found
    return found[1]


def submit(client: Client, path: str, number: int) -> Logged:
    return client.start("bash", str(SCRIPT), path, **task(number))


def records(client: Client) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((client.folder / "runs").glob("*/record.json"))]


def test_the_script_is_sound_and_that_of_kag_sweep() -> None:
    """`python -m tests.fleet.batch_script` makes it anew."""
    subprocess.run([str(Path(sys.executable).parent / "shellcheck"), str(SCRIPT)], check=True)
    assert SCRIPT.read_text() == shipped_script()
    named = dict(re.findall(r"^#SBATCH --([\w-]+)=?(\S*)", SCRIPT.read_text(), re.MULTILINE))
    assert named["ntasks"] == "1"
    assert named["open-mode"] == "append", "a task that queues again would begin its log anew"
    assert "requeue" in named
    assert int(named["signal"].removeprefix("B:USR1@")) > TERM_SECONDS


@pytest.mark.slow(20, "the shipped batch script trains on two processes, hears SIGTERM, and the next task goes on")
def test_a_task_that_is_cut_off_saves_and_its_point_is_given_out_again(cluster: Client, project: str) -> None:
    """A trial of two processes, which Lightning starts although SLURM's variables say that there is one task."""
    path = new_sweep(cluster, project)
    agent = submit(cluster, path, 0)
    until(lambda: list((cluster.folder / "runs").glob("*/checkpoints/last.ckpt")), what="the first epoch")
    agent.send_signal(signal.SIGTERM)
    agent.ends(code=None)
    (record,) = records(cluster)
    assert record["status"] == "killed"
    assert record["epochs_trained"] >= 1
    with h5py.File(cluster.folder / "demo.h5") as file:
        batches = math.ceil(int((file["split"][:] == TRAIN).sum()) / BATCH)
    last = load_torch(cluster.folder / "runs" / record["id"] / "checkpoints" / "last.ckpt")
    assert last["global_step"] == record["epochs_trained"] * math.ceil(batches / 2)
    submit(cluster, path, 1)
    _, again = until(lambda: len(records(cluster)) == 2 and records(cluster), what="the second attempt")
    assert again["config"]["seed"] == record["config"]["seed"]
