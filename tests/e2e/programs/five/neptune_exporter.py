"""The calls that the W&B loader of neptune-ai/neptune-exporter makes, in its order, for five runs of one experiment.

Names of attributes have only letters, digits and `_` there, its steps are whole numbers, and parameters, what Neptune
itself knows of a run among them, are set after the run has begun. A run that was forked in Neptune is forked here.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import wandb

PARAMETERS: dict[str, Any] = {"parameters/lr": 0.1, "parameters/model/width": 8, "parameters/seed": 1}
RUNS: dict[str, dict[str, Any]] = {
    "RUN-1": {},
    "RUN-2": {"parameters/model/width": 16},
    "RUN-3": {"parameters/model/width": 16, "parameters/seed": 2},
    "RUN-4": {"parameters/lr": 0.5},
    "RUN-5": {"parameters/lr": 50.0, "sys/failed": True},
}
FORKED = {"RUN-4": ("RUN-1", 2)}


def sanitized(path: str) -> str:
    """An attribute's path as a key of W&B."""
    return re.sub(r"[^a-zA-Z0-9_]", "_", path)


def attributes(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """What Neptune exports of a run beside its series."""
    own = {
        "sys/custom_run_id": name,
        "sys/name": "widths",
        "sys/owner": "somebody",
        "sys/creation_time": f"2025-10-1{name[-1]}T12:00:00+00:00",
        "sys/running_time": 3.25 + int(name[-1]),
        "sys/failed": False,
        "sys/tags": ["exported"],
        "source_code/git/commit": "1234567",
    }
    return own | PARAMETERS | changes


def export(name: str, changes: dict[str, Any]) -> dict[str, list[float]]:
    """Make a run and upload its parameters, its metrics and its files; what was logged of each metric."""
    begun: dict[str, Any] = {"group": "widths", "name": name, "id": name}
    if name in FORKED:
        parent, step = FORKED[name]
        begun["fork_from"] = f"{parent}?_step={step}"
    run = wandb.init(**begun)
    given = attributes(name, changes)
    run.config.update({sanitized(path): value for path, value in given.items()})
    first = FORKED[name][1] + 1 if name in FORKED else 0
    width, lr = given["parameters/model/width"], given["parameters/lr"]
    logged: dict[str, list[float]] = {"metrics_train_loss": [], "metrics_val_accuracy": []}
    for step in range(first, 5):
        row = {"metrics_train_loss": lr / (step + 1), "metrics_val_accuracy": 0.5 + 0.01 * width - 0.05 * abs(step - 3)}
        run.log(row, step=step)
        for key, value in row.items():
            logged[key].append(value)
    artifact = wandb.Artifact(name=sanitized(f"{name}/files/note"), type="file")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "note.txt")
        file.write_text(name)
        artifact.add_file(str(file))
        run.log_artifact(artifact).wait()
    run.finish()
    return logged


print(json.dumps({name: export(name, changes) for name, changes in RUNS.items()}))
