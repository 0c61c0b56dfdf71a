"""A program under `kag track`: its exit code and every signal pass through, and it ends first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.tracking import ROOT, until

RUN = "import os, sys; from kag.cli.track import run_program; sys.exit(run_program(sys.argv[1:], os.environ))"

COUNTING = """
import pathlib, signal, sys
told = []
def tell(number, _):
    told.append(str(int(number)))
    pathlib.Path("told").write_text(" ".join(told))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, tell)
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(9))
pathlib.Path("ready").touch()
while True:
    signal.pause()
"""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that counts signals, under `run_program` in a session of its own."""
    words = [sys.executable, "-c", RUN, sys.executable, "-c", COUNTING]
    process = subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT, start_new_session=True)
    until((tmp_path / "ready").exists, what="the program")
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("everybody", [False, True], ids=["to kag", "to its process group"])
def test_each_signal_reaches_the_program_once_and_its_exit_code_comes_back(
    running: subprocess.Popen[bytes], tmp_path: Path, everybody: bool
) -> None:
    told, sent = tmp_path / "told", list[str]()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        (os.killpg if everybody else os.kill)(running.pid, number)
        sent.append(str(int(number)))
        until(lambda: told.exists() and len(told.read_text().split()) >= len(sent), what=number.name)
        assert told.read_text().split() == sent, number.name
    running.send_signal(signal.SIGUSR2)
    assert running.wait(timeout=300) == 9
    assert told.read_text().split() == sent


@pytest.mark.parametrize(("program", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_programs(program: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, "sh", "-c", program], check=False, env=ENVIRONMENT, timeout=300)
    assert done.returncode == code


def test_a_program_whose_tracking_is_disabled_runs_without_a_server(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "WANDB_MODE": "disabled"}
    words = [
        sys.executable,
        "-c",
        "from kag.cli.main import main; main()",
        "track",
        "--",
        "sh",
        "-c",
        "echo $WANDB_MODE $WANDB_BASE_URL; exit 3",
    ]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "disabled\n")
    assert "nothing is tracked, since WANDB_MODE is disabled" in done.stderr
    assert list(tmp_path.iterdir()) == []
