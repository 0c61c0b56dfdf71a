"""A plain script: a nested config, two metrics, what it says of them, a data set, a fork of its own making, a crash.

The fourth run stands on another commit than the others; see `commit`.
"""

import json
import subprocess
from pathlib import Path

import wandb

BASE = {"lr": 0.1, "weight_decay": 0.01, "seed": 1, "model": {"width": 8, "widths": [8, 4]}}
RUNS = {
    "base": BASE,
    "wider": BASE | {"model": {"width": 16, "widths": [16, 4]}},
    "again": BASE | {"model": {"width": 16, "widths": [16, 4]}, "seed": 2},
    "faster": BASE | {"lr": 0.5, "parent": "base"},
    "broken": BASE | {"lr": 50.0},
}


class Diverged(Exception):
    """What the last run dies of."""


def commit(text: str) -> None:
    """Change the file `model.py` of the repository around, as somebody does between two runs."""
    Path("model.py").write_text(text)
    subprocess.run(["git", "add", "model.py"], check=True)
    subprocess.run(["git", "commit", "--quiet", "--message", text], check=True)


def train(name: str, config: dict, said: dict) -> None:
    """Five steps; the best of them is not the last."""
    with wandb.init(id=name, name=name, config=config, group="widths", tags=["plain"], notes=f"about {name}") as run:
        run.define_metric("val/accuracy", summary="max")
        data = wandb.Artifact("points", type="dataset")
        data.add_file("points.txt")
        run.use_artifact(data)
        for step in range(5):
            if name == "broken" and step == 3:
                raise Diverged("the loss is no number")
            accuracy = 0.5 + 0.01 * config["model"]["width"] + 0.1 * config["lr"] - 0.05 * abs(step - 3)
            row = {"loss": float("nan") if name == "broken" and step else 1 / (step + 1), "val/accuracy": accuracy}
            run.log(row)
            said.setdefault(name, []).append(row)


Path("points.txt").write_text("1 2 3")
told: dict[str, list[dict[str, float]]] = {}
for called, settings in RUNS.items():
    if called == "faster":
        commit("width = 16")
    try:
        train(called, settings, told)
    except Diverged:
        print("diverged")
print(json.dumps(told))
