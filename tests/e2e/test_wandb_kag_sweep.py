"""`kag sweep` without any W&B: an embedded server, agents, a second call that continues, Ctrl-C, points that fail."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from kag.spec import load_spec
from tests import warm
from tests.e2e.tracking import family, until

ROOT = Path(__file__).parents[2]
KAG = "from tests.copied import kag; kag()"

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
  optimizer.weight_decay: {values: [1.0e-2]}
command: [PYTHON, -c, "from kag.cli.main import main; main()", train, tiny.yaml, track.mode=auto, "${args_no_hyphens}"]
"""

FRAIL = """
program: kag
project: frail
method: grid
metric: {name: val/auprc, goal: maximize}
parameters: {seed: {values: [2, 3]}}
command: [PYTHON, trial.py, tiny.yaml, "${args_no_hyphens}"]
"""

TRIAL = """
import signal, sys, time, wandb
from pathlib import Path

seed = int(sys.argv[-1].removeprefix("seed="))
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
run = wandb.init()
Path(f"begun-{seed}").touch()
while seed == 3 and Path("slow").exists() and not told:
    time.sleep(0.05)
if told:
    run.finish(exit_code=143)
    sys.exit(143)
if seed == 2 and Path("broken").exists():
    raise ValueError("bad luck")
run.log({"val/auprc": seed / 10})
run.finish()
"""


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    places = {name: str(folder / name) for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "HOME")}
    return {**kept, **places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}


def call(folder: Path, *words: str) -> str:
    done = warm.run([sys.executable, "-c", KAG, *words], cwd=folder, env=environment(folder), timeout=300)
    logs = "".join(path.read_text() for path in (folder / "wandb").glob("agent-*.log"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    return done.stdout


def result(folder: Path, *words: str) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(call(folder, "sweep", *words, "--json"))
    return page


@pytest.mark.slow(10, "a sweep of training runs needs no server, and its best spec loads")
def test_a_sweep_trains_without_a_server_and_shows_its_result(tmp_path: Path) -> None:
    call(tmp_path, "data", "synth", "demo.h5", "--proteins", "6", "--points", "60")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "sweep.yaml").write_text(CONFIG.replace("PYTHON", sys.executable))
    printed = call(tmp_path, "sweep", "sweep.yaml", "--agents", "2", "--count", "1", "--runs", "elsewhere")
    assert "at most 1, each trial by itself" in printed
    assert "1 of 1 ended: 1 finished" in printed
    assert len(list((tmp_path / "wandb").glob("agent-*.log"))) == 1, "one trial wants one agent"
    assert len(list((tmp_path / "elsewhere").glob("*_tiny/record.json"))) == 1
    assert not (tmp_path / "runs").exists(), "the run folders are where the call said"
    best = next((tmp_path / "elsewhere" / ".server" / "sweeps").glob("*/best.yaml"))
    shown = result(tmp_path, "show", best.parent.name, "--runs", "elsewhere")
    assert (shown["expected"], shown["trials"]) == (1, {"finished": 1})
    assert shown["epochs"] == {"trained": 1, "shared": 0}
    assert shown["best"]["params"] == {"optimizer.weight_decay": 0.01}
    assert load_spec(best).optimizer.weight_decay == 0.01
    assert (tmp_path / "elsewhere" / ".server" / "key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "elsewhere" / ".server" / ".gitignore").read_text() == "*\n", "a key is not for committing"


@pytest.mark.slow(25, "Ctrl-C leaves no process behind, and the next call tries again what has failed")
def test_ctrl_c_leaves_nothing_behind_and_failed_points_are_tried_again_by_the_next_call(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "demo.h5").touch()
    (tmp_path / "trial.py").write_text(TRIAL)
    (tmp_path / "sweep.yaml").write_text(FRAIL.replace("PYTHON", sys.executable))
    for name in ("slow", "broken"):
        (tmp_path / name).touch()
    with (tmp_path / "first.log").open("w") as log:
        words = [sys.executable, "-c", KAG, "sweep", "sweep.yaml"]
        first = warm.start(words, cwd=tmp_path, env=environment(tmp_path), output=log)
    until((tmp_path / "begun-3").exists, what="the last point")
    started = family(first.pid)
    assert len(started) > 3, "itself, its server, an agent, a trial"
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait(timeout=300) == 130
    said = (tmp_path / "first.log").read_text()
    assert "the same command continues the sweep" in said
    until(lambda: not any(Path(f"/proc/{number}").exists() for number in started), what="the end of all")

    (tmp_path / "slow").unlink()
    second = result(tmp_path, "sweep.yaml")
    assert second["trials"] == {"failed": 1, "finished": 1}
    assert list(second["failures"].values()) == ["it left no reason; see the agents' logs"]
    (tmp_path / "broken").unlink()
    third = call(tmp_path, "sweep", "sweep.yaml")
    assert "1 of its points have failed or never ran: trying again" in third
    assert "2 of 2 ended: 2 finished" in third
    assert "has been run to its end; --new runs it again" in call(tmp_path, "sweep", "sweep.yaml")
