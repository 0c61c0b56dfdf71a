"""Files and artifacts of the unmodified client."""

from __future__ import annotations

from typing import Any


def test_files_go_up_and_down(file_client: Any, project: str) -> None:
    found = file_client.python(
        """
        import json, pathlib, sys, wandb
        pathlib.Path("sub").mkdir()
        pathlib.Path("sub/weights with space%.bin").write_bytes(bytes(range(256)) * 1000)
        with wandb.init(project=sys.argv[1], id="first") as run:
            run.save("sub/*", policy="now")
        run = wandb.Api().run(f"kag/{sys.argv[1]}/first")
        pathlib.Path("later.txt").write_text("later")
        run.upload_file("later.txt")
        pathlib.Path("later.txt").write_text("replaced")
        run.upload_file("later.txt")
        names = sorted(file.name for file in run.files())
        run.file("sub/weights with space%.bin").download(root="down", replace=True).close()
        same = pathlib.Path("down/sub/weights with space%.bin").read_bytes() == bytes(range(256)) * 1000
        text = run.file("later.txt").download(root="down", replace=True).read()
        only = [file.name for file in run.files(pattern="later%")]
        run.file("later.txt").delete()
        print(json.dumps({"names": names, "same": same, "text": text, "only": only,
                          "left": sorted(file.name for file in run.files())}))
        """,
        project,
    )
    assert {"later.txt", "sub/weights with space%.bin", "wandb-metadata.json"} <= set(found["names"])
    assert (found["same"], found["text"], found["only"]) == (True, "replaced", ["later.txt"])
    assert found["left"] == [name for name in found["names"] if name != "later.txt"]


def test_artifacts_are_logged_used_and_downloaded(file_client: Any, project: str) -> None:
    found = file_client.python(
        """
        import json, pathlib, sys, wandb
        pathlib.Path("a.txt").write_text("one")
        def artifact():
            made = wandb.Artifact("weights", type="model", metadata={"auprc": 0.5})
            made.add_file("a.txt")
            made.add_file("a.txt", name="deep/b.txt")
            return made
        with wandb.init(project=sys.argv[1], id="maker") as run:
            run.log_artifact(artifact(), aliases=["best"]).wait()
            run.log_artifact(artifact()).wait()
            pathlib.Path("a.txt").write_text("two")
            run.log_artifact(artifact()).wait()
        with wandb.init(project=sys.argv[1], id="user") as run:
            used = run.use_artifact("weights:best")
            used.download(root="down")
            used.verify(root="down")
        api = wandb.Api()
        newest = api.artifact(f"kag/{sys.argv[1]}/weights:latest")
        print(json.dumps({
            "text": pathlib.Path("down/deep/b.txt").read_text(), "version": used.version, "meta": used.metadata,
            "newest": newest.version, "by": newest.logged_by().id, "users": [one.id for one in used.used_by()],
            "outputs": sorted(one.name for one in api.run(f"kag/{sys.argv[1]}/maker").logged_artifacts()),
            "inputs": [one.name for one in api.run(f"kag/{sys.argv[1]}/user").used_artifacts()],
            "versions": [one.name for one in api.artifacts("model", f"kag/{sys.argv[1]}/weights")],
            "collections": [one.name for one in api.artifact_collections(f"kag/{sys.argv[1]}", "model")],
            "files": sorted(file.name for file in newest.files()), "linked": newest.linked_artifacts,
        }))
        """,
        project,
    )
    assert (found["text"], found["version"], found["meta"]) == ("one", "v0", {"auprc": 0.5})
    assert (found["newest"], found["by"], found["users"]) == ("v1", "maker", ["user"])
    assert (found["outputs"], found["inputs"]) == (["weights:v0", "weights:v1"], ["weights:v0"])
    assert (found["versions"], found["collections"]) == (["weights:v1", "weights:v0"], ["weights"])
    assert (found["files"], found["linked"]) == (["a.txt", "deep/b.txt"], [])


def test_wandb_verify(client: Any) -> None:
    """Everything but HTTPS and CORS, which a loopback server without a bucket does not have."""
    output = client.wandb("verify", "--host", client.server.url)
    lines = [line for line in output.splitlines() if "....." in line]
    assert len(lines) >= 5, output
    failed = [line for line in lines if "❌" in line]
    named = ("requests to base url", "requests made over signed URLs", "CORs configuration")
    assert all(any(name in line for name in named) for line in failed), output
