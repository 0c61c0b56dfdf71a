"""The README is true in its own order: what it prints is run as it stands, in the folder that it makes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from kag.view.words import find_run
from tests.e2e.tracking import PATIENCE, free_port
from tests.pages import README, ROOT, SPEC, SWEEPS, Block, blocks
from tests.printed import Shell, commands, missing, pattern

PRESUPPOSED = (".gitignore", "Makefile", "runs/specs", "sweeps")
"""What a newcomer has after `git clone`, as far as the commands look at it."""

LEFT_OUT = {"make test": "it runs the tests themselves"}

NOT_PRINTED = {
    "runs/2025-10-21_12-48-11_oct17/": "the files of a folder",
    "method: grid": "a sweep file",
    "# train.py": "two files of another program",
    "kag sweep sweep.yaml": "commands for these files",
    "export WANDB": "commands for another's server",
    "kag sweep manifest": "commands for another's cluster",
    "kag serve --base-url": "a server behind another's proxy",
    "cp docker/.env.example": "commands for Docker",
}
"""First words of the text blocks that show no output -> what they show."""


REAL = (ROOT / os.environ.get("KAG_DATA", "../shared/data") / "sites_v4_both.h5").resolve()
"""What the demo trains on where it is there; else it is another model on other data, of which nothing is shown."""
DEMO = {} if REAL.is_file() else {"epoch   0  loss 0.7": "the demo on real data"}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in a fresh clone, with the environment active and the default number of threads.

    The demo trains two of its eight epochs: that the spec learns on real chains is shown by tests/e2e/test_sites.py.
    """
    for name in PRESUPPOSED:
        place, copy = ROOT / name, tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        if place.is_dir():
            shutil.copytree(place, copy, ignore=shutil.ignore_patterns("*.h5"))
        else:
            shutil.copy(place, copy)
    spec = tmp_path / "runs/specs/sites.yaml"
    text = spec.read_text()
    assert not re.search("^epochs", text, re.MULTILINE), "the default is trained"
    spec.write_text(f"{text}epochs: 2\n")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "-m", "clone"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # Other tests run beside it: threads that wait do not spin, which costs them a multiple of the time.
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    env = os.environ | PATIENCE | {"PATH": f"{tmp_path / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    env |= {"KAG_DATA": str(REAL.parent) if REAL.is_file() else "nowhere", "HOME": str(tmp_path / ".git")}
    return Shell(tmp_path, env, LEFT_OUT)


def follow(shell: Shell, page: Path, changed: Callable[[str], str] = str) -> None:
    """Do what a page prints, and compare what is printed with what it shows."""
    for block in blocks(page, "sh", "console", "text"):
        if block.language != "text":
            shell.run(Block(block.language, changed(block.text)))
        if block.language != "sh" and not block.text.startswith((*NOT_PRINTED, *DEMO)):
            assert missing(block.text, shell.printed) == [], f"{block.text}\n{shell.printed}"


@pytest.mark.slow(80, "every command of the pages works, in their order, from a fresh clone")
def test_the_pages_are_followed_from_a_clone_to_the_last_command(shell: Shell) -> None:
    follow(shell, README)
    tour = shell.where
    assert tour == shell.folder / "tour"
    for said in ("this spec can be trained", "100% of its peak", "2 of 20"):
        assert said in shell.printed
    assert (tour / "windows.png").read_bytes().startswith(b"\x89PNG")
    log = (tour / "MODEL_CHANGELOG.md").read_text(encoding="utf-8")
    assert "average the weights of epochs 4 to 7" in log
    assert "the peak of the learning rate is no place to average" in log
    world = find_run(tour / "runs", "averaged").read_record().world
    assert world is not None
    assert world.threads == 1, "a small model is worth no more"
    report = (tour / "report.html").read_text(encoding="utf-8")
    assert "_averaged" in report
    assert "_soup" in report
    assert "Log out" in shell.pages[0]
    assert '/kag/kag/sweeps"' in shell.pages[0]
    follow(shell, SPEC)
    authority = trustme.CA()
    issued = authority.issue_cert("tracking.example.org")
    issued.private_key_pem.write_to_path(tour / "server.key")
    issued.cert_chain_pems[0].write_to_path(tour / "server.pem")
    follow(shell, SWEEPS, lambda text: text.replace("8080", str(free_port())).replace("8443", str(free_port())))
    status = subprocess.run(["git", "status", "--porcelain"], cwd=shell.folder, check=True, stdout=subprocess.PIPE)
    assert status.stdout == b"", "everything has landed where git does not look"


def test_it_names_both_commands_of_a_newcomer() -> None:
    made = [line for block in blocks(README, "sh") for line in commands(block) if line.startswith("make")]
    assert made == ["make demo", "make test"]


def test_numbers_aside() -> None:
    first, last = "epoch   0  loss 0.728  best so far\n", "* raw  0 val 0.5 eec1590ea4dc\nend\n"
    printed = "epoch 0 loss 1e-05\nother\n* raw_recomputed 3 val 0.44 0123456789ab\nend\n"
    assert missing(f"$ kag\n{first}...\n{last}", printed) == []
    assert missing(f"{first}{last}", printed) == f"{first}{last}".splitlines(), "something is between them"
    assert missing(f"{last}...\n{first}", printed) == [first.strip()], "they stand in another order"
    assert pattern("error: a.yaml: 1 preflight error(s)") != pattern("error: b.yaml: 1 preflight error(s)")
