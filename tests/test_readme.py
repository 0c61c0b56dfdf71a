"""The README tells the truth: its commands run in the order in which they stand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.spec import load_spec
from kag.spec.text import yaml_text
from tests.pages import README, ROOT, SPEC, WIDE, blocks

MODEL = {
    "hidden": [16, 8],
    "periodic": {"frequencies": 3, "sigma": 0.3, "width": 2},
    "attention": {"heads": 2, "layers": 1, "width": 8, "feedforward": 12},
}
"""What stands in for the demo's model."""

ELSEWHERE = ("sweep", "page", "report")
"""Processes of their own: `tests/test_tutorial.py` runs them as they stand."""


class Command(NamedTuple):
    words: list[str]
    refused: bool
    """Whether the README says that kag will refuse it."""


def commands() -> list[Command]:
    """Every command line of the README and of the spec's page: `sh` blocks, and what follows `$` in `console` ones."""
    found = []
    for block in [*blocks(README, "sh", "console"), *blocks(SPEC, "sh")]:
        lines = block.text.replace("\\\n", " ").splitlines()
        if block.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        found += [Command(shlex.split(line, comments=True), "# refused" in line) for line in lines if line]
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that holds what the commands name: the specs, the demo's with a small model, and the sweeps."""
    shutil.copytree(ROOT / "runs" / "specs", tmp_path / "runs" / "specs")
    shutil.copytree(ROOT / "sweeps", tmp_path / "sweeps")
    demo = tmp_path / "runs" / "specs" / "demo.yaml"
    spec = load_spec(demo).model_dump(mode="json")
    small = {"model": {**spec["model"], **MODEL}, "data": {**spec["data"], "file": "demo.h5"}}
    demo.write_text(yaml_text({**spec, **small, "track": {"mode": "disabled"}}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_run_in_the_order_in_which_they_stand(place: Path) -> None:
    done = []
    for command in commands():
        program, *words = command.words
        assert program in ("kag", "make", "export"), command
        if program == "make":
            subprocess.run(["make", "-n", *words], cwd=ROOT, check=True, capture_output=True)
            continue
        if program == "export" or words[0] in ELSEWHERE:
            continue
        if words[:2] == ["data", "synth"]:
            words += ["--proteins", "12", "--points", "60", "--embedding", "16"]
        result = CliRunner().invoke(app, words, env=WIDE)
        refused = result.exception is not None and getattr(result.exception, "exit_code", None) == 2
        told = f"kag {' '.join(words)}: {result.output} {result.exception!r}"
        assert refused if command.refused else result.exit_code == 0, told
        done.append(words[0])
    assert {"train", "check", "eval", "runs", "data", "windows", "blend", "mine", "doctor", "note"} <= set(done)
    assert (place / "windows.png").is_file()
    assert "_averaged` |" in (place / "MODEL_CHANGELOG.md").read_text(encoding="utf-8")


def test_it_names_both_commands_of_a_newcomer() -> None:
    made = [command.words for command in commands() if command.words[0] == "make"]
    assert made == [["make", "demo"], ["make", "test"]]
