"""What starts fast: these commands load none of the heavy libraries."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import typer

from kag.cli.main import app
from tests import warm

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "lightning", "wandb", "torchmetrics", "scipy", "matplotlib", "h5py", "optuna", "sqlalchemy"}
LIGHT = (
    "--help",
    "train --help",
    "runs list",
    "check --no-rehearsal runs/specs/demo.yaml",
    "check sweeps/swa_window.yaml",
    "schema",
    "changelog --help",
    "--version",
)

DRIVER = """
import atexit, sys
atexit.register(lambda: print("loaded", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr))
from kag.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def commands() -> warm.Template:
    """A process that has loaded what every command does."""
    return warm.template_of("import kag.cli.main")


def loaded_by(words: str, runs: Path, commands: warm.Template, code: int = 0) -> set[str]:
    extra = ["--runs", str(runs)] if words in ("runs list", "page") else []
    command = [sys.executable, "-c", DRIVER, *words.split(), *extra]
    done = warm.run(command, cwd=ROOT, env=os.environ, template=commands)
    assert done.returncode == code, done.stderr
    assert bool(done.stdout) is (code == 0)
    report = done.stderr.strip().splitlines()[-1]
    assert report.startswith("loaded ")
    return set(report.split()[1:])


@pytest.mark.parametrize("words", LIGHT)
def test_a_light_command_loads_nothing_heavy(words: str, tmp_path: Path, commands: warm.Template) -> None:
    if words.split()[0] not in {"--help", "--version", *typer.main.get_command(app).commands}:  # type: ignore[attr-defined]
        pytest.skip(f"there is no kag {words.split()[0]} yet")
    found = loaded_by(words, tmp_path, commands)
    assert "kag" in found
    assert found & HEAVY == set()


def test_a_page_of_nothing_is_refused_before_the_server_is_loaded(tmp_path: Path, commands: warm.Template) -> None:
    found = loaded_by("page", tmp_path / "empty", commands, code=2)
    assert found & {*HEAVY, "starlette", "uvicorn"} == set()
    assert not (tmp_path / "empty").exists()


def test_the_report_would_name_a_heavy_library(tmp_path: Path, commands: warm.Template) -> None:
    words = f"data synth {tmp_path / 'a.h5'} --proteins 3 --points 10"
    assert "h5py" in loaded_by(words, tmp_path, commands)
