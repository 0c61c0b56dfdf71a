"""`kag agent`: trials that are copies of one process are the runs that `kag train` makes, and none sees another."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kag.cli.sweep_agents import runs_of
from kag.spec import load_spec
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from kag.train.console import RunConsole
from kag.train.fit import fit
from tests.copied import COPIED
from tests.e2e.tracking import Client, Logged, family, until
from tests.train.conftest import TINY

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")

SWEEP = """
program: kag
method: grid
metric: {name: val/auprc, goal: maximize}
parameters: PARAMETERS
command: ["${env}", kag, train, tiny.yaml, track.mode=auto, "${args_no_hyphens}"]
"""


@pytest.fixture
def place(client: Client, synthetic_file: Path) -> Path:
    """Where the spec of all trials lies."""
    tree = {**TINY, "epochs": 1, "data": {**TINY["data"], "file": str(synthetic_file)}, "track": {"mode": "disabled"}}
    (client.folder / "tiny.yaml").write_text(json.dumps(tree))
    return client.folder


def begin(client: Client, project: str, parameters: str, kag: Sequence[str]) -> tuple[str, Logged]:
    """Make a sweep, and start an agent at it."""
    sweep = client.sweep(SWEEP.replace("PARAMETERS", parameters), project)
    env = {"OMP_NUM_THREADS": "1", "WANDB_AGENT_MAX_INITIAL_FAILURES": "1000"}
    return sweep, client.start(*kag, "agent", f"kag/{project}/{sweep}", **env)


def by_run(place: Path) -> dict[str | None, RunRecord]:
    records = [folder.read_record() for folder in RunFolder.all(place / "runs")]
    return {record.wandb_id: record for record in records}


def digests(record: RunRecord) -> Any:
    return record.checkpoints, record.results


def test_trials_are_what_kag_train_makes_one_after_another_and_a_failing_one_hurts_no_other(
    client: Client, place: Path, project: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sweep, agent = begin(client, project, "{model.attention.heads: {values: [3, 2]}, seed: {values: [5, 6]}}", KAG)
    said = agent.ends()
    codes = re.findall(r"ended with code (\d)", said)
    assert (codes.count("0"), codes.count("2")) == (2, 2 * 3), "three attempts at each point that fails"
    assert "error: " in said
    assert "width" in said, "what is wrong is said"
    records = by_run(place)
    assert len(records) == 2
    for record in records.values():
        assert record.status is Status.FINISHED
        assert record.sweep == sweep
        seed = record.config["seed"]
        spec = load_spec(place / "tiny.yaml", [f"seed={seed}", "evaluate.test=never"])
        expected = fit(spec, runs=tmp_path_factory.mktemp("alone"), console=RunConsole(quiet=True))
        assert digests(record) == digests(expected), "bit for bit"
        assert record.environment.keys() == expected.environment.keys()
        assert record.world is not None
        assert expected.world is not None
        assert record.world.flat() == expected.world.flat()
        found = client.server.rows(f"select state, exit_code from runs where name = '{record.wandb_id}'")
        assert found == [("finished", 0)]
    logs = [folder.console_file.read_text() for folder in RunFolder.all(place / "runs")]
    assert [log.count("epoch   0") for log in logs] == [1, 1], "each has the log of its own"
    assert agent.returncode == 0


def test_a_killed_trial_is_tried_again_by_the_same_agent_and_ctrl_c_saves_what_goes_on(
    client: Client, place: Path, project: str
) -> None:
    sweep, agent = begin(client, project, "{epochs: {values: [4000]}}", COPIED)

    def trial() -> tuple[int, str] | None:
        found = [(number, run) for number in family(agent.pid) for run in runs_of(number) if number != agent.pid]
        trained = [record.wandb_id for record in by_run(place).values() if record.epochs_trained]
        return next(((number, run) for number, run in found if run in trained), None)

    first, run = until(trial, what="the first epoch")
    assert run == f"{sweep}-0000"
    os.kill(first, signal.SIGKILL)
    second, run = until(lambda: (found := trial()) and found[1] != run and found, what="the second attempt")
    assert run == f"{sweep}-0000-2"
    assert Path(f"/proc/{second}/cwd").resolve() == place
    assert os.getpgid(second) == second
    agent.send_signal(signal.SIGINT)
    agent.send_signal(signal.SIGTERM)
    said = agent.ends(code=128 + signal.SIGINT)
    assert "ended by SIGKILL" in said
    assert "ended with code 143" in said
    assert f"`kag agent kag/{project}/{sweep}` goes on with the sweep" in said
    until(lambda: family(agent.pid) == [agent.pid], what="the end of all")
    record = by_run(place)[run]
    assert record.status is Status.KILLED
    assert record.failure is not None
    assert record.failure.message == "SIGTERM received"
    assert client.server.rows(f"select exit_code from runs where name = '{run}'") == [(128 + signal.SIGTERM,)]
