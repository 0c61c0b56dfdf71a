"""A trial that is killed together with W&B's own process: the next command that sees it sends what is missing."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from kag.track.folder import RunFolder
from kag.track.hold import locked
from kag.track.record import Status
from tests.copied import COPIED
from tests.e2e.tracking import Client, family, until
from tests.train.conftest import TINY

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")
SWEEP = """
program: kag
method: grid
metric: {name: val/auprc, goal: maximize}
parameters: {seed: {values: [5]}}
command: ["${env}", kag, train, tiny.yaml, track.mode=auto, "${args_no_hyphens}"]
"""


def shown(client: Client, project: str, run: str) -> dict[str, Any]:
    query = "query($p: String!, $r: String!){project(name:$p){run(name:$r){state history(samples:100000)}}}"
    found = client.server.graphql(query, p=project, r=run)["project"]["run"]
    rows = [json.loads(row) for row in found["history"]]
    return {"state": found["state"], "epochs": [row["epoch"] for row in rows if "val/loss" in row]}


def core(agent: int) -> int:
    """W&B's own process of the trial."""
    names = {number: Path(f"/proc/{number}/cmdline").read_bytes() for number in family(agent)}
    return next(number for number, words in names.items() if b"wandb-core" in words or b"gpu_stats" in words)


@pytest.mark.slow(15, "a trainer and W&B's own process are killed; `kag sweep show` sends the rows, once")
def test_the_next_command_sends_what_a_killed_trial_could_not(
    client: Client, project: str, synthetic_file: Path
) -> None:
    tree = {**TINY, "epochs": 100_000, "data": {**TINY["data"], "file": str(synthetic_file)}}
    (client.folder / "tiny.yaml").write_text(json.dumps({**tree, "track": {"mode": "disabled"}}))
    sweep = client.sweep(SWEEP, project)
    agent = client.start(*COPIED, "agent", f"kag/{project}/{sweep}", OMP_NUM_THREADS="1")
    found = until(lambda: RunFolder.all(client.folder / "runs"), what="the run")
    (folder,) = found
    until(lambda: len(folder.history()) >= 2 and folder.read_record().wandb_id, what="two epochs")
    os.kill(core(agent.pid), signal.SIGSTOP)
    known = len(folder.history())
    until(lambda: len(folder.history()) >= known + 3, what="three epochs that are not sent")
    client.kill_agent(agent, with_child=True)
    run, rows = str(folder.read_record().wandb_id), folder.history()
    assert folder.read_record().status is Status.RUNNING, "nobody could say more"
    assert len(shown(client, project, run)["epochs"]) < len(rows)

    with locked(folder):
        said = client.run(*KAG, "sweep", "show", f"kag/{project}/{sweep}")
        assert folder.id not in said, "whoever holds it may send the rest"
    said = client.run(*KAG, "sweep", "show", f"kag/{project}/{sweep}")
    assert f"run {folder.id} was killed; epochs that its server lacked" in said
    found = shown(client, project, run)
    assert found["epochs"] == [row["epoch"] for row in rows]
    assert found["state"] != "running"
    record = folder.read_record()
    assert (record.status, record.end) == (Status.KILLED, None)
    assert record.heartbeat is not None, "its last sign of life is known still"
    assert "was killed; epochs" not in client.run(*KAG, "sweep", "show", f"kag/{project}/{sweep}")
