"""What a shell completes: it is asked as shells ask, in a process of its own, and in a bash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kag.cli.completion import joined
from tests.changelog.run_logs import make_folder, run_record

ASKED = """
import sys
from kag.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "lightning", "wandb", "numpy", "scipy", "h5py", "sqlalchemy"} & set(sys.modules)
    print(*heavy, file=sys.stderr, end="")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with runs: `first` with checkpoints, and two of one name."""
    folder = make_folder(tmp_path / "runs", run_record(0, "first"))
    folder.checkpoints.mkdir()
    for name in ("best", "epoch_9", "epoch_10"):
        (folder.checkpoints / f"{name}.ckpt").write_bytes(b"")
    for number in (1, 2):
        make_folder(tmp_path / "runs", run_record(number, "twin"))
    return tmp_path


def completed(place: Path, *words: str) -> list[str]:
    """What zsh would be told behind these words; nothing heavy is loaded for it."""
    env = {"_KAG_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args", "PATH": "/usr/bin:/bin"}
    env |= {"_TYPER_COMPLETE_ARGS": " ".join(("kag", *words))}
    asked = [sys.executable, "-c", ASKED]
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(asked, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [line.partition("\t")[0] for line in done.stdout.splitlines() if line]


def test_runs_are_completed_by_name_and_by_id(place: Path) -> None:
    twins = [run_record(number, "twin").id for number in (1, 2)]
    assert completed(place, "runs", "show", "f") == ["first"]
    assert completed(place, "runs", "show", "2025-10-0") == [run_record(0, "first").id, *twins]
    assert completed(place, "runs", "show", "tw") == [], "a name of two runs stands for none"
    assert completed(place, "runs", "compare", "first", "la") == ["latest"]
    shutil.move(place / "runs", place / "elsewhere")
    assert completed(place, "doctor", "--runs", "elsewhere", "fi") == ["first"]
    assert completed(place, "doctor", "fi") == []


def test_checkpoints_are_completed_behind_a_run(place: Path) -> None:
    assert completed(place, "eval", "first:e") == ["first:epoch_9", "first:epoch_10"]
    assert completed(place, "blend", "first:b") == ["first:best"]
    assert completed(place, "eval", "nobody:b") == []


def test_keys_of_a_spec_are_completed_as_overrides(place: Path) -> None:
    assert completed(place, "train", "demo.yaml", "swa.st") == ["swa.start="]
    assert completed(place, "check", "demo.yaml", "model.gate.pen")[0].startswith("model.gate.penalty")


def test_words_that_bash_takes_apart_are_put_together() -> None:
    assert joined(["kag", "eval", "first", ":", "ep"]) == ["kag", "eval", "first:ep"]
    assert joined(["kag", "eval", "first", ":"]) == ["kag", "eval", "first:"]
    assert joined(["kag", "train", "a.yaml", "--swa.start", "=", "5", "see"]) == [
        *("kag", "train", "a.yaml", "--swa.start=5", "see")
    ]
    assert joined(["kag", ""]) == ["kag", ""]


BASH = """
eval "$(kag --show-completion bash)"
complete -p kag
COMP_WORDS=(kag eval first : epoch_1); COMP_CWORD=4
_kag_completion kag
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def bash(place: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """A bash at that place, with `kag` on its path and a home of its own."""
    (place / "kag").write_text(f'#!/bin/sh\nPYTHONPATH={Path(__file__).parents[2]} exec {sys.executable} -m kag "$@"\n')
    (place / "kag").chmod(0o755)
    env = {"PATH": f"{place}:/usr/bin:/bin", "HOME": str(place), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}

    def run(script: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-c", script]
        return subprocess.run(words, cwd=place, env=env, capture_output=True, text=True, check=False)

    return run


Bash = Callable[[str], subprocess.CompletedProcess[str]]


def test_bash_is_told_what_stands_behind_its_colon(bash: Bash) -> None:
    done = bash(BASH)
    assert done.stdout.splitlines() == ["complete -o default -F _kag_completion kag", "epoch_10"], done.stderr


def test_completion_is_installed_into_the_home(bash: Bash, place: Path) -> None:
    done = bash("kag --install-completion bash")
    assert (done.returncode, done.stderr) == (0, "")
    (script,) = (place / ".bash_completions").iterdir()
    assert "_kag_completion" in script.read_text()
    assert str(script) in (place / ".bashrc").read_text()
