"""What a wandb client does with artifacts, whatever its version: `python artifact_flows.py PROJECT`.

It runs in the client's own environment, so it imports nothing but the client, and prints what each flow gave as JSON.
The client's command line is a copy of it (`tests.warm`).
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
from typing import Any

import wandb
from wandb.cli import cli  # noqa: F401  # so that a copy need not load it

from tests import warm


def artifact(name: str, *files: str, **words: Any) -> wandb.Artifact:
    """An artifact whose files hold their names."""
    made = wandb.Artifact(name, type="model", **words)
    for file in files:
        with made.new_file(file) as opened:
            opened.write(file)
    return made


def files(found: wandb.Artifact, folder: str) -> list[str]:
    """The files that a version downloads."""
    return sorted(os.listdir(found.download(root=folder)))


def synced(project: str, template: warm.Template) -> list[Any]:
    """A run without a network that logs a table and an artifact, uploaded later."""
    with wandb.init(project=project, id="offline", mode="offline") as run:
        run.log({"table": wandb.Table(columns=["x"], data=[[1], [2]])})
        run.log_artifact(artifact("synced", "s.txt"))
    folders = [str(path) for path in pathlib.Path("wandb").glob("offline-run-*")]
    loud = os.environ | {"WANDB_SILENT": "false"}
    words = [sys.executable, "-m", "wandb", "sync", *folders]
    done = warm.run(words, cwd=".", env=loud, timeout=200, template=template)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    logged = wandb.Api().run(f"kag/{project}/offline").logged_artifacts()
    return sorted([one.source_name, len(files(one, f"synced/{one.name}"))] for one in logged)


def versions(project: str) -> dict[str, Any]:
    """Versions that go on from others, that runs make together, and that are linked; the run goes on after it."""
    api, path = wandb.Api(), f"kag/{project}"
    with wandb.init(project=project, id="maker") as run:
        run.log_artifact(artifact("m", "f.txt")).wait()
        draft = api.artifact(f"{path}/m:latest").new_draft()
        with draft.new_file("g.txt") as opened:
            opened.write("g.txt")
        run.log_artifact(draft).wait()
        more = run.log_artifact(artifact("m", "h.txt", incremental=True)).wait()
        run.upsert_artifact(artifact("joint", "part0.txt"), distributed_id="group")
        run.finish_artifact(artifact("joint", "part1.txt"), distributed_id="group").wait()
        run.link_artifact(more, f"{project}/shelf", aliases=["prod"])
        try:
            run.link_artifact(more, "wandb-registry-model/shelf")
            registry = "linked"
        except (ValueError, wandb.Error):
            registry = "refused"
        run.log({"after": 1})
    linked = api.artifact(f"{path}/shelf:prod")
    return {
        "draft": files(api.artifact(f"{path}/m:v1"), "draft"),
        "incremental": files(api.artifact(f"{path}/m:v2"), "incremental"),
        "joint": files(api.artifact(f"{path}/joint:latest"), "joint"),
        "linked": [linked.version, linked.source_version, linked.collection.name, files(linked, "linked")],
        "registry": registry,
        "after": [row["after"] for row in api.run(f"{path}/maker").scan_history()],
    }


def collections(project: str) -> dict[str, Any]:
    """Versions and collections changed and deleted."""
    api, path = wandb.Api(), f"kag/{project}"
    try:
        api.artifact(f"{path}/m:latest").delete()
        refused = ""
    except wandb.Error as error:
        refused = str(error)
    api.artifact(f"{path}/m:v2").delete(delete_aliases=True)
    latest = api.artifact(f"{path}/m:latest").version
    kept = api.artifact_collection("model", f"{path}/m")
    kept.description, kept.name = "for tests", "renamed"
    kept.save()
    api.artifact_collection("model", f"{path}/joint").delete()
    found = {one.name: one.description for one in wandb.Api().artifact_collections(path, "model")}
    return {"refused": "delete_aliases=True" in refused, "latest": latest, "found": found}


def main() -> None:
    """Run all flows."""
    project, template = sys.argv[1], warm.template_of_this()
    found = {"synced": synced(project, template), "versions": versions(project), "collections": collections(project)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
