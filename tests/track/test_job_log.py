"""From a run to the log of its job: the file that the process prints to, or what SLURM says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kag.cli.tables import run_page
from kag.track.job_log import job_log
from kag.track.world import World
from kag.view.tables import facts
from tests.changelog.run_logs import run_record

ROOT = Path(__file__).parents[2]
ASKS = "import os, sys; from kag.track.job_log import job_log; print(job_log(os.environ), file=sys.stderr)"
JOB = {"SLURM_JOB_ID": "77"}


def asked(folder: Path, stdout: int, **environment: str) -> str:
    """What a process says that prints to somewhere."""
    variables = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", ASKS], env=variables, stdout=stdout, stderr=subprocess.PIPE, text=True, check=True
    )
    return done.stderr.strip()


def scontrol(folder: Path, body: str) -> None:
    file = folder / "scontrol"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_it_is_the_file_that_a_process_of_a_job_prints_to(tmp_path: Path) -> None:
    with (tmp_path / "slurm-77.log").open("w") as log:
        assert asked(tmp_path, log.fileno(), **JOB) == log.name
        assert asked(tmp_path, log.fileno(), TORCHELASTIC_RUN_ID="mine") == log.name
        assert asked(tmp_path, log.fileno()) == "None", "there is no job"


def test_where_it_prints_to_srun_slurm_is_asked(tmp_path: Path) -> None:
    scontrol(tmp_path, f'echo "$@" > {tmp_path}/asked; echo "JobId=77"; echo "   StdOut=/home/a b/77.log"')
    assert asked(tmp_path, subprocess.PIPE, **JOB) == "/home/a b/77.log"
    assert (tmp_path / "asked").read_text().split() == ["show", "job", "77"]
    assert asked(tmp_path, subprocess.PIPE, TORCHELASTIC_RUN_ID="mine") == "None"


@pytest.mark.parametrize("body", ["exit 1", "echo 'slurm_load_jobs error: Invalid job id specified'", "echo StdOut="])
def test_where_nobody_says_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    scontrol(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert asked(tmp_path, subprocess.PIPE, **JOB) == "None"


def test_without_slurm_it_is_not_known(tmp_path: Path) -> None:
    assert asked(tmp_path, subprocess.PIPE, **JOB, PATH=str(tmp_path)) == "None"


def test_the_page_of_a_run_shows_it() -> None:
    record = run_record(7, "far", world=World(processes=1, job="77", log="/home/a/slurm-77.log"))
    assert facts(record)["log"] == "/home/a/slurm-77.log"
    assert "log" not in facts(run_record(7, "far", world=World(processes=1)))
    head = next(iter(run_page(record, [], "", 200)))
    assert "/home/a/slurm-77.log" in [*head.columns[1].cells]  # type: ignore[attr-defined]


def test_a_process_without_a_job_asks_nobody() -> None:
    assert job_log({}) is None
