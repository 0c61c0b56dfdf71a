"""The calls that Neptune's exporter makes to W&B, in its order: `python neptune_loader.py PROJECT`.

The client itself is used, unchanged. A run is found by its name and group before it is loaded, a fork says where it
began, steps that are no whole numbers are multiplied, each file series step and each file is an artifact of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import wandb

ENTITY = "kag"
MULTIPLIER = 1000
RUNS: tuple[dict[str, Any], ...] = (
    {"name": "RUN-1", "group": "experiment", "steps": [0.0, 0.5, 1.0, 1.5], "fork": None},
    {"name": "RUN-2", "group": "experiment", "steps": [1.0, 2.0], "fork": ("RUN-1", 0.5)},
    {"name": "RUN-1", "group": "other", "steps": [0.25], "fork": None},
)


def find(api: wandb.Api, project: str, name: str, group: str) -> str | None:
    """Id of the run that has been loaded under a name, or None."""
    try:
        found = list(api.runs(f"{ENTITY}/{project}", filters={"display_name": name, "group": group}))
    except ValueError:  # no such project yet
        return None
    return str(found[0].id) if found else None


def load(api: wandb.Api, project: str, run: dict[str, Any], folder: Path) -> bool:
    """Load a run that is not there; whether it was loaded."""
    if find(api, project, run["name"], run["group"]) is not None:
        return False
    words: dict[str, Any] = {}
    if run["fork"]:
        parent, step = run["fork"]
        words["fork_from"] = f"{find(api, project, parent, run['group'])}?_step={int(step * MULTIPLIER)}"
    with wandb.init(entity=ENTITY, project=project, group=run["group"], name=run["name"], **words) as made:
        made.config.update({"parameters/lr": 0.1, "sys/tags": "a,b"})
        for step in run["steps"]:
            made.log({"metrics/loss": 1 / (step + 1)}, step=int(step * MULTIPLIER))
        made.log({"logs/stdout": wandb.Table(columns=["step", "value"], data=[[0, "line"]])})
        for name in ("source/main.py", "model/weights.bin"):
            file = folder / name.replace("/", "_")
            file.write_text(name)
            artifact = wandb.Artifact(name=f"{made.id}-{name.replace('/', '_')}", type="file")
            artifact.add_file(str(file))
            made.log_artifact(artifact).wait()
    return True


def seen(api: wandb.Api, project: str) -> Any:
    """What there is."""
    found = []
    for run in api.runs(f"{ENTITY}/{project}", order="+created_at", lazy=False):
        steps = [row["_step"] for row in run.scan_history(use_cache=False) if "metrics/loss" in row]
        files = sorted(one.name.partition("-")[2] for one in run.logged_artifacts() if one.type == "file")
        found.append([run.name, run.group, run.config["parameters/lr"], steps, files])
    return found


if __name__ == "__main__":
    project = sys.argv[1]
    with tempfile.TemporaryDirectory() as place:
        loaded = [load(wandb.Api(), project, run, Path(place)) for run in RUNS]
    print(json.dumps({"loaded": loaded, "seen": seen(wandb.Api(), project)}))
