"""The page "Your own program" tells the truth: its script and its commands run, and the log is the one it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kag.cli.main import app
from kag.view import metric_names
from tests.e2e.tracking import PATIENCE
from tests.pages import ANY_PROGRAM, blocks

_HIDDEN = re.compile(r" <!--.*?-->|\d{4}-\d\d-\d\d – |\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
"""Marks, and the times at which somebody ran it."""


@pytest.mark.slow(15)
def test_the_script_has_the_log_that_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (script,) = (block.text for block in blocks(ANY_PROGRAM, "python"))
    (tmp_path / "lines.py").write_text(script)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = kept | PATIENCE | {"PATH": path, "WANDB_SILENT": "true", "HOME": str(tmp_path)}
    monkeypatch.chdir(tmp_path)
    (commands,) = (block.text.splitlines() for block in blocks(ANY_PROGRAM, "sh"))
    subprocess.run(["bash", "-c", commands[0]], env=env, check=True, capture_output=True)
    for line in commands[1:]:
        done = CliRunner().invoke(app, line.split()[1:], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    written = (tmp_path / "LOG.md").read_text().partition(" -->\n\n")[2].partition("\n\n<!-- kag:changelog:end")[0]
    assert _HIDDEN.sub("", written) in ANY_PROGRAM.read_text()


def test_every_name_that_the_page_has_for_an_example_tells_its_goal() -> None:
    for name in ("val/accuracy", "eval_loss", "validation_0-auc", "test/rmse"):
        assert f"`{name}`" in ANY_PROGRAM.read_text()
        assert metric_names.by_name(name)
