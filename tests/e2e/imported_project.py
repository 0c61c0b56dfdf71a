"""A project with one of everything that `kag import wandb` takes: `python imported_project.py PROJECT`.

read PROJECT     prints as JSON what the Api gives of it, but for what names the server
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import wandb

ENTITY = "kag"


def artifact(name: str, text: str) -> wandb.Artifact:
    """A version with a file and a reference."""
    made = wandb.Artifact(name, type="model", description=f"holds {text}", metadata={"text": text})
    with made.new_file("weights/w.txt") as file:
        file.write(text)
    made.add_reference("http://127.0.0.1:9/elsewhere.txt", checksum=False)
    return made


def plain(project: str) -> None:
    """Plain scripts: media, a table, NaN, versions with aliases, notes."""
    words: dict[str, Any] = {"group": "a group", "job_type": "train", "notes": "a note", "tags": ["t1", "t2"]}
    config = {"lr": 0.1, "nested": {"deep": [1, 2]}, "none": None}
    with wandb.init(project=project, id="plain", name="a plain run", config=config, **words) as run:
        for step in range(2500):
            run.log({"loss": 1 / (step + 1), "odd": math.nan if step % 2 else -math.inf, "part": {"x": step}})
        run.log({"table": wandb.Table(columns=["x", "name"], data=[[1, "one"], [2, "two"]])})
        run.log({"histogram": wandb.Histogram([1, 2, 3]), "page": wandb.Html("<p>here</p>")}, step=9000)
        print("what it says")
        run.define_metric("loss", summary="min")
        run.log_artifact(artifact("net", "first"), aliases=["old"]).wait()
        run.log_artifact(artifact("net", "second"), aliases=["best"]).wait()
        run.link_artifact(run.use_artifact("net:v0"), f"{project}/shelf", aliases=["prod"])
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kept.bin").write_bytes(bytes(range(256)))
            run.save(f"{folder}/kept.bin", base_path=folder, policy="now")
            run.finish()


def others(project: str) -> None:
    """A run without config that fails, one that uses a version, and a sweep."""
    with wandb.init(project=project, id="bare") as run:
        run.log({"only": 1})
        run.finish(exit_code=3)
    with wandb.init(project=project, id="user") as run:
        run.use_artifact("net:best")
    parameters = {"x": {"values": [1, 2]}}
    metric = {"name": "score", "goal": "maximize"}
    sweep = wandb.sweep(
        {"method": "grid", "name": "small", "metric": metric, "parameters": parameters}, project=project
    )

    def trial() -> None:
        with wandb.init() as run:
            run.log({"score": run.config.x * 2})

    wandb.agent(sweep, function=trial, project=project, count=2)


def lightning(project: str) -> None:
    """Lightning's logger."""
    from lightning.pytorch.loggers import WandbLogger

    logger = WandbLogger(project=project, id="lightning", name="by Lightning", save_dir=tempfile.mkdtemp())
    logger.log_hyperparams({"width": 8, "act": "relu"})
    for step in range(0, 60, 20):
        logger.log_metrics({"train/loss": 1.0 / (step + 1), "epoch": step // 20}, step=step)
    logger.experiment.finish()


def grow(project: str) -> None:
    """The plain run goes on, a new run comes, an alias moves."""
    with wandb.init(project=project, id="plain", resume="must") as run:
        run.log({"loss": 0.5}, step=9001)
        run.log({"loss": 0.25}, step=9002)
    with wandb.init(project=project, id="later") as run:
        run.log({"loss": 2.0})
        run.log_artifact(artifact("net", "third"), aliases=["best"]).wait()


def read(project: str) -> dict[str, Any]:
    """What the Api gives."""
    api = wandb.Api()
    path = f"{ENTITY}/{project}"
    runs = {run.id: _run(run) for run in api.runs(path, lazy=False)}
    sweeps = {
        s.id: [s.config, s.state, s.name, sorted(run.id for run in s.runs)]
        for s in api.project(project, ENTITY).sweeps()
    }
    return {"runs": runs, "sweeps": sweeps, "artifacts": _artifacts(api, path)}


def _run(run: Any) -> dict[str, Any]:
    said = ("name", "state", "config", "notes", "description", "tags", "group", "job_type", "commit")
    times = ("created_at", "heartbeat_at")
    found = {name: getattr(run, name) for name in (*said, *times)}
    found["sweep"] = run.sweep_name
    found["summary"] = run.summary_metrics
    found["history"] = list(run.scan_history(use_cache=False))
    found["events"] = list(run.history(stream="events", pandas=False, samples=10_000))
    files = {file.name: file for file in run.files()}
    with tempfile.TemporaryDirectory() as folder:
        found["files"] = {name: _content(file.download(folder, replace=True)) for name, file in sorted(files.items())}
    found["used"] = sorted(one.name for one in run.used_artifacts())
    found["logged"] = sorted(one.name for one in run.logged_artifacts())
    return found


def _content(file: Any) -> str:
    with file, open(file.name, "rb") as opened:
        return opened.read().hex()


def _stored(version: Any, name: str, folder: str) -> str:
    return Path(version.download(folder, path_prefix=name, skip_cache=True), name).read_bytes().hex()


def _artifacts(api: wandb.Api, path: str) -> dict[str, Any]:
    found = {}
    for kind in api.artifact_types(path):
        for collection in kind.collections():
            for one in api.artifacts(kind.name, f"{path}/{collection.name}"):
                with tempfile.TemporaryDirectory() as folder:
                    stored = [name for name, entry in one.manifest.entries.items() if entry.ref is None]
                    files = {name: _stored(one, name, folder) for name in stored}
                refs = {name: entry.ref for name, entry in one.manifest.entries.items() if entry.ref is not None}
                maker = one.logged_by()
                found[f"{kind.name}/{one.name}"] = [
                    sorted(one.aliases), one.digest, one.description, one.metadata, one.created_at, files, refs,
                    maker and maker.id, sorted(run.id for run in one.used_by()), one.source_name,
                ]  # fmt: skip
    return found


if __name__ == "__main__":
    what, name = sys.argv[1:]
    if what == "read":
        print(json.dumps(read(name)))
    elif what == "grow":
        grow(name)
    else:
        for make in (plain, others, lightning):
            make(name)
