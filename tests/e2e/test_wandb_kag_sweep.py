"""`kag sweep` without any W&B: an embedded server, agents that run `kag train`, and a second call that continues."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SWEEP = "import typer; from kag.cli.sweep import sweep; typer.run(sweep)"
TRAIN = "from kag.cli.main import main; main()"

SPEC = """
name: tiny
epochs: 1
data: {file: demo.h5, batch_size: 128}
model:
  hidden: [8]
  attention: {heads: 2, layers: 1, width: 8, feedforward: 8}
"""

CONFIG = """
program: kag
project: tiny
method: grid
metric: {name: val/auprc, goal: maximize}
parameters:
  optimizer.weight_decay: {values: [1.0e-3, 1.0e-2]}
command: [PYTHON, -c, "from kag.cli.main import main; main()", train, tiny.yaml, track.mode=auto, "${args_no_hyphens}"]
"""


def call(folder: Path, code: str, *words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    places = {name: str(folder / name) for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HOME")}
    env = {**kept, **places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300
    )
    logs = "".join(path.read_text() for path in (folder / "wandb").glob("agent-*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return done.stdout


@pytest.mark.slow
def test_a_sweep_runs_stops_and_continues_without_a_server(tmp_path: Path) -> None:
    call(tmp_path, TRAIN, "data", "synth", "demo.h5", "--proteins", "6", "--points", "60")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "sweep.yaml").write_text(CONFIG.replace("PYTHON", sys.executable))
    first = call(tmp_path, SWEEP, "sweep.yaml", "--count", "1")
    assert "grid search, 2 trials, at most 2 epochs" in first
    assert ": 1 of 2 trials finished" in first
    second = call(tmp_path, SWEEP, "sweep.yaml", "--agents", "1")
    assert "continuing sweep kag/tiny/" in second
    assert ": 2 of 2 trials finished" in second
    assert "epochs: 2 trained" in second
    best = next((tmp_path / "runs" / "specs" / "planned").glob("sweep_*.yaml"))
    shown = call(tmp_path, SWEEP, "show", best.stem.removeprefix("sweep_"))
    assert shown.splitlines()[-3].startswith("best: ")
    assert (tmp_path / "runs" / ".server" / "key").stat().st_mode & 0o077 == 0
