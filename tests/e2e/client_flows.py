"""The basic flows of a wandb client, whatever its version: `python client_flows.py PROJECT`.

It runs in the client's own environment, so it imports nothing but the client, and prints what each flow gave as JSON.
The programs that it starts are copies of it (`tests.warm`); those that the client starts are as ever. The stop of a
run is begun first and looked at last, because a client takes its time to hear of it.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import wandb
from wandb.cli import cli  # noqa: F401  # so that copies need not load it

from tests import warm

ENDLESS = """
import sys, time, wandb
run = wandb.init(project=sys.argv[1], id="endless")
open("endless.txt", "w").write(run.id)
try:
    while True:
        run.log({"alive": 1})
        time.sleep(0.05)
except KeyboardInterrupt:
    open("interrupted.txt", "w").close()
"""

TRIAL = """
import json, sys, wandb
with wandb.init() as run:
    run.log({"score": run.config["x"], "type": type(run.config["x"]).__name__, "words": sys.argv[1:]})
"""

WORKER = """
import sys, wandb
settings = wandb.Settings(mode="shared", x_label="worker", x_primary=False, x_update_finish_state=False)
with wandb.init(project=sys.argv[1], id="shared", settings=settings, config={"worker": 1}) as run:
    for i in range(5):
        run.log({"worker/loss": i})
"""

SWEEP = """
program: trial.py
method: grid
metric: {name: score, goal: maximize}
parameters: {x: {values: [1, 2.5]}}
command: [PYTHON, "${program}", "${args_no_hyphens}"]
"""


def alone() -> dict[str, str]:
    """The environment of a process with a background service of its own."""
    return {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}


def python(template: warm.Template, *words: str, **env: str) -> str:
    """Run a program of Python with the client; what it printed."""
    done = warm.run([sys.executable, *words], cwd=".", env=alone() | env, timeout=300, template=template)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def command(template: warm.Template, *words: str) -> str:
    """Run the client's command line; what it printed."""
    return python(template, "-m", "wandb", *words, WANDB_SILENT="false")


def facts(project: str, name: str) -> dict[str, Any]:
    """What the Api says of a run."""
    run = wandb.Api().run(f"kag/{project}/{name}")
    rows = [[row["_step"], row["loss"], row["nested"]["x"]] for row in run.scan_history()]
    return {
        "state": run.state,
        "config": dict(run.config),
        "tags": run.tags,
        "loss": run.summary["loss"],
        "last": run.lastHistoryStep,
        "rows": rows,
    }


def log(project: str, name: str, steps: range, **words: Any) -> None:
    """A run with some steps."""
    with wandb.init(project=project, id=name, **words) as run:
        for step in steps:
            run.log({"loss": 1 / (step + 1), "nested": {"x": step}})


def resumed(project: str, name: str) -> dict[str, Any]:
    """A run of three steps that a second process would continue with two more."""
    log(project, name, range(3), config={"lr": 0.1, "model": {"width": 8}}, tags=["a"])
    log(project, name, range(3, 5), resume="must")
    return facts(project, name)


def synced(project: str, template: warm.Template) -> dict[str, Any]:
    """A run that was logged offline and uploaded afterwards, twice."""
    log(project, "offline", range(4), mode="offline", config={"lr": 0.5}, tags=["b"])
    folder = next(pathlib.Path("wandb").glob("offline-run-*"))
    command(template, "sync", str(folder))
    for mark in folder.glob("*.synced"):
        mark.unlink()
    command(template, "sync", str(folder))
    return facts(project, "offline")


def shared(project: str, template: warm.Template) -> dict[str, Any] | None:
    """One run that two processes write, each with a background service of its own as on two hosts.

    None with clients of before 0.19, which have no such runs.
    """
    try:
        settings = wandb.Settings(mode="shared", x_label="chief", x_primary=True)
    except wandb.Error:
        return None
    pathlib.Path("worker.py").write_text(WORKER)
    with wandb.init(project=project, id="shared", settings=settings, config={"chief": 1}) as run:
        run.log({"chief/loss": 0})
        python(template, "worker.py", project)
        run.log({"chief/loss": 1})
    found = wandb.Api().run(f"kag/{project}/shared")
    rows = list(found.scan_history())
    logged = {name: [row[name] for row in rows if row.get(name) is not None] for name in ("chief/loss", "worker/loss")}
    summary = {name: found.summary[name] for name in logged}
    return {"rows": logged, "steps": len(rows), "summary": summary, "config": dict(found.config), "state": found.state}


def sweeps(project: str, template: warm.Template) -> dict[str, Any]:
    """A grid by `wandb sweep` and `wandb agent`, paused and resumed before, and a search by a function."""
    pathlib.Path("trial.py").write_text(TRIAL)
    pathlib.Path("sweep.yaml").write_text(SWEEP.replace("PYTHON", sys.executable))
    output = command(template, "sweep", "--project", project, "sweep.yaml")
    path = next(line for line in output.splitlines() if "wandb agent" in line).split()[-1]
    api: Any = wandb.Api
    states = []
    for words in (["--pause"], ["--resume"]):
        command(template, "sweep", *words, path)
        states.append(api().sweep(path).state)
    command(template, "agent", path)
    grid = api().sweep(path)
    runs = [[run.config["x"], run.summary["score"], run.summary["type"], run.summary["words"]] for run in grid.runs]
    return {"states": [*states, grid.state], "runs": sorted(runs), "function": searched(project)}


def searched(project: str) -> list[Any]:
    """Two random points of a function agent."""
    seen: list[Any] = []

    def trial() -> None:
        with wandb.init() as run:
            seen.append([type(run.config["x"]).__name__, 1 <= run.config["x"] <= 5])

    config = {"method": "random", "run_cap": 2, "parameters": {"x": {"min": 1, "max": 5}}}
    wandb.agent(wandb.sweep(config, project=project), trial, project=project, count=2)
    return seen


def listed(project: str) -> dict[str, Any]:
    """Filters, order, samples, edits and files of the Api."""
    api, path = wandb.Api(), f"kag/{project}"
    run: Any = api.run(f"{path}/first")
    pathlib.Path("up.txt").write_text("uploaded")
    run.upload_file("up.txt")
    run.tags.append("edited")
    run.notes = "seen"
    run.update()
    with run.file("up.txt").download(root="down", replace=True) as file:
        text = file.read()
    again = wandb.Api().run(f"{path}/first")
    return {
        "lr": [one.id for one in api.runs(path, filters={"config.lr": {"$gte": 0.1}}, order="-summary_metrics.loss")],
        "tag": [one.id for one in api.runs(path, filters={"tags": "b"})],
        "samples": [row["_step"] for row in run.history(samples=3, pandas=False)],
        "chosen": run.history(keys=["loss"], samples=2, pandas=False),
        "edits": [again.tags, again.notes],
        "files": "up.txt" in [file.name for file in again.files()],
        "text": text,
    }


def artifacts(project: str) -> dict[str, Any]:
    """Two versions of an artifact, listed and fetched."""
    pathlib.Path("weights.txt").write_text("one")
    with wandb.init(project=project, id="maker") as run:
        run.log_artifact("weights.txt", name="weights", type="model").wait()
        pathlib.Path("weights.txt").write_text("two")
        run.log_artifact("weights.txt", name="weights", type="model").wait()
    api, path = wandb.Api(), f"kag/{project}/weights"
    first = api.artifact(f"{path}:v0")
    text = pathlib.Path(first.download(root="fetched"), "weights.txt").read_text()
    versions = [one.name for one in api.artifacts("model", path)]
    return {"versions": versions, "files": [file.name for file in first.files()], "text": text}


def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 300
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("waited for five minutes")
        time.sleep(0.1)


def stop(project: str) -> None:
    """Tell the endless run to stop, by the client's own means: a method since 0.22, before that the agents' way."""
    until(pathlib.Path("endless.txt").exists)
    run = wandb.Api().run(f"kag/{project}/endless")
    if hasattr(run, "stop"):
        run.stop()
    else:
        importlib.import_module("wandb.sdk.internal.internal_api").Api().stop_run(run.storage_id)


def main() -> None:
    """Run all flows."""
    project, template = sys.argv[1], warm.template_of_this()
    pathlib.Path("endless.py").write_text(ENDLESS)
    with open("endless.log", "w") as log:
        endless = warm.begin(
            [sys.executable, "endless.py", project],
            cwd=".",
            env=os.environ,
            streams=(log.fileno(),) * 2,
            template=template,
        )
    try:
        found: dict[str, Any] = {"version": wandb.__version__, "run": resumed(project, "first")}
        stop(project)
        found |= {
            "offline": synced(project, template),
            "shared": shared(project, template),
            "api": listed(project),
            "artifacts": artifacts(project),
            "sweeps": sweeps(project, template),
        }
        until(pathlib.Path("interrupted.txt").exists)
        found["interrupted"] = True
    finally:
        endless.kill()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
