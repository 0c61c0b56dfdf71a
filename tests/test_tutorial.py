"""The ten minutes of the README, start to end, as they stand there: one shell, real processes, a server at the end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.tracking import family, until
from tests.pages import README, ROOT, Block, blocks

BEGIN, END = "## Ten minutes\n", "## Before time is spent\n"


def steps() -> list[Block]:
    """The blocks of the tutorial; the last one starts a server and stays."""
    text = README.read_text(encoding="utf-8")
    inside = text[text.index(BEGIN) : text.index(END)]
    return [block for block in blocks(README, "sh") if block.text in inside]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a newcomer has after `git clone`, as far as kag looks at it, in a shell with the environment active."""
    specs = shutil.ignore_patterns("*.h5", "20??-*", ".server", "shared")
    shutil.copytree(ROOT / "runs", tmp_path / "runs", ignore=specs)
    shutil.copytree(ROOT / "sweeps", tmp_path / "sweeps")
    shutil.copy(ROOT / "MODEL_CHANGELOG.md", tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_MODE")
    return tmp_path


@pytest.fixture
def shells() -> Iterator[list[subprocess.Popen[str]]]:
    """Shells that were started, ended with all that they started."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for shell in started:
        for number in reversed(family(shell.pid)):
            os.kill(number, signal.SIGTERM)
        shell.wait(timeout=30)


def shell(text: str, folder: Path) -> str:
    """Run lines in one shell that stops at the first failure; what they printed."""
    words = ["bash", "-euxo", "pipefail", "-c", text]
    done = subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    logs = "".join(log.read_text() for log in (folder / "wandb").glob("agent-*.log"))
    assert done.returncode == 0, done.stdout + logs
    return done.stdout


@pytest.mark.slow(130)
def test_the_tutorial_runs_from_data_to_the_page(clone: Path, shells: list[subprocess.Popen[str]]) -> None:
    *before, last = [block.text for block in steps()]
    printed = shell("\n".join(before), clone)
    assert "this spec can be trained" in printed
    assert "at epoch 4 the learning rate is still 0.004, 100% of its peak" in printed
    assert re.search(r"3 of 20", printed)
    assert (clone / "windows.png").read_bytes().startswith(b"\x89PNG")
    log = (clone / "MODEL_CHANGELOG.md").read_text(encoding="utf-8")
    assert "average the weights of epochs 4 to 7" in log
    assert "the peak of the learning rate is no place to average" in log
    report = (clone / "report.html").read_text(encoding="utf-8")
    assert "_averaged" in report
    assert "_soup" in report
    page = served(last, clone, shells)
    assert "Log out" in page
    assert '/kag/kag/sweeps"' in page


def served(block: str, folder: Path, shells: list[subprocess.Popen[str]]) -> str:
    """Open the page as the tutorial does, by the link that is printed, and read the first page."""
    output = folder / "page.log"
    with output.open("w") as log:
        words = ["bash", "-euo", "pipefail", "-c", block]
        shells.append(subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, text=True))
    link = until(lambda: re.search(r"^page: (\S+)$", output.read_text(), re.MULTILINE), what="the link")
    with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True) as browser:
        return browser.get(link[1]).raise_for_status().text
