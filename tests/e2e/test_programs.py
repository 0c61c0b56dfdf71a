"""Programs of other people, as their documentation has them: what they log is read back, and every page opens.

Each prints last, as JSON, what it knows itself of what it has logged.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from kag.server.embedded import embedded_server
from tests import warm
from tests.e2e.tracking import PATIENCE, last_json
from tests.e2e.wandb_versions import NotFetched, packages_of

PROGRAMS = Path(__file__).parent / "programs"
READER = """
import json, wandb
from pathlib import Path

def content(run, file):
    with run.file(file["path"]).download(replace=True) as opened:
        return json.load(opened)["data"]

found = {}
for run in wandb.Api(timeout=60).runs("kag/programs"):
    summary = {key: run.summary[key] for key in run.summary.keys()}
    tables = {key: dict(value) for key, value in summary.items() if key.endswith(("table", "matrix"))}
    artifacts = {one.name.split(":")[0] + ":" + one.version: one for one in run.logged_artifacts()}
    found[run.name] = {
        "id": run.id,
        "state": run.state,
        "config": run.config,
        "summary": {key: value for key, value in summary.items() if isinstance(value, (int, float))},
        "lowest": {key: value["min"] for key, value in summary.items() if key.endswith("logloss")},
        "rows": list(run.scan_history()),
        "tables": {key: content(run, file) for key, file in tables.items()},
        "artifacts": {
            name: [one.type, one.aliases, [path.stat().st_size > 0 for path in Path(one.download()).iterdir()]]
            for name, one in artifacts.items()
        },
    }
print(json.dumps(found))
"""


class Tracked:
    """What the programs said, what the client's Api reads, and how the pages answered."""

    def __init__(self, folder: Path, packages: Path) -> None:
        self.folder, self.packages = folder, packages
        with embedded_server(folder / "server", now=time.time()) as server:
            kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
            mine = {"HOME": str(folder), "WANDB_PROJECT": "programs", "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1"}
            self.env = {**kept, **mine, **PATIENCE, **server.environment(kept), "PYTHONPATH": str(packages)}
            names = [path.stem for path in PROGRAMS.glob("*.py")]
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                self.said = dict(zip(names, pool.map(self._run, names), strict=True))
            self.read: dict[str, Any] = self.python("-c", READER)
            with httpx.Client(headers={"Accept": "text/html"}, follow_redirects=True, timeout=60) as browser:
                browser.get(server.login_link(now=time.time())).raise_for_status()
                paths = [f"/kag/programs/runs/{run['id']}" for run in self.read.values()]
                pages = ["/kag/programs", "/kag/programs/changelog", f"/kag/programs/compare?runs={self._all()}"]
                pages += [path + end for path in paths for end in ("", "/course.json", "/findings.json")]
                self.answered = {page: browser.get(server.url + page).status_code for page in pages}

    def _run(self, name: str) -> Any:
        return self.python(str(PROGRAMS / f"{name}.py"))

    def _all(self) -> str:
        return ",".join(run["id"] for run in self.read.values())

    def python(self, *words: str) -> Any:
        """Run something in the folder as a user would; what it printed last."""
        done = warm.run([sys.executable, *words], cwd=self.folder, env=self.env, packages=self.packages)
        assert done.returncode == 0, done.stdout + done.stderr
        return last_json(done.stdout)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    """All programs, run once against one server of kag's own."""
    try:
        packages = packages_of(PROGRAMS / "requirements.txt")
    except NotFetched as reason:
        pytest.skip(str(reason))
    return Tracked(tmp_path_factory.mktemp("programs"), packages)


def column(run: dict[str, Any], key: str) -> list[Any]:
    """Every value of a key, in order."""
    return [row[key] for row in run["rows"] if row.get(key) is not None]


@pytest.mark.slow(70, "programs as the documentation of other libraries has them are read back")
def test_all_have_finished_and_every_page_opens(tracked: Tracked) -> None:
    names = {"lightning", "transformers", "xgboost", "lightgbm", "sklearn"}
    assert {name: run["state"] for name, run in tracked.read.items()} == dict.fromkeys(names, "finished")
    assert set(tracked.answered.values()) == {200}, tracked.answered


def test_lightning_and_each_of_its_checkpoints(tracked: Tracked) -> None:
    said, run = tracked.said["lightning_module"], tracked.read["lightning"]
    assert run["config"] == {"lr": 0.1}
    assert column(run, "val_loss")[-1] == run["summary"]["val_loss"] == pytest.approx(said["val_loss"])
    assert column(run, "epoch")[-1] == 2
    assert len(column(run, "train/loss_step")) == said["steps"] == 12
    assert len(column(run, "train/loss_epoch")) == len(column(run, "val_loss")) == 3
    assert run["artifacts"] == {
        "model-lightning:v0": ["model", [], [True]],
        "model-lightning:v1": ["model", [], [True]],
        "model-lightning:v2": ["model", ["latest", "best"], [True]],
    }


def test_the_trainer_of_transformers(tracked: Tracked) -> None:
    said, run = tracked.said["transformers_trainer"], tracked.read["transformers"]
    for key, logged in (("train/loss", "loss"), ("train/grad_norm", "grad_norm"), ("eval/loss", "eval_loss")):
        assert column(run, key) == pytest.approx([row[logged] for row in said if logged in row]), key
    assert run["summary"]["train_loss"] == pytest.approx(said[-1]["train_loss"])
    config = run["config"]
    assert (config["hidden_size"], config["num_train_epochs"], config["report_to"]) == (16, 2, ["wandb"])


def test_xgboost_and_its_model(tracked: Tracked) -> None:
    said, run = tracked.said["xgboost_callback"], tracked.read["xgboost"]
    assert column(run, "train-logloss") == pytest.approx(said["logloss"])
    assert run["lowest"] == {"train-logloss": pytest.approx(min(said["logloss"]))}
    assert column(run, "epoch") == [0, 1, 2, 3, 4]
    assert run["artifacts"]["xgboost_model.json:v0"] == ["model", ["latest"], [True]]
    assert len(run["tables"]["Feature Importance_table"]) == 1


def test_lightgbm_and_its_model(tracked: Tracked) -> None:
    said, run = tracked.said["lightgbm_callback"], tracked.read["lightgbm"]
    assert column(run, "seen_binary_logloss") == pytest.approx(said["binary_logloss"])
    assert run["lowest"] == {"seen_binary_logloss": pytest.approx(min(said["binary_logloss"]))}
    assert run["config"]["objective"] == "binary"
    assert run["artifacts"]["model_lightgbm:v0"] == ["model", ["latest", "best"], [True]]


def test_the_plots_for_scikit_learn(tracked: Tracked) -> None:
    said, run = tracked.said["sklearn_plots"], tracked.read["sklearn"]
    counted = {(actual, predicted): count for actual, predicted, count in run["tables"]["confusion_matrix"]}
    labels = ("out", "in")
    assert counted == {
        (actual, predicted): said[row][place]
        for row, actual in enumerate(labels)
        for place, predicted in enumerate(labels)
    }
    assert {"roc_table", "precision_recall_table", "class_proportions"} <= {key for row in run["rows"] for key in row}
    assert len(run["artifacts"]) == 4
