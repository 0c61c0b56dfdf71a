"""Runs of the unmodified wandb client against `kag serve --strict`."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.e2e.tracking import BOTH
from tests.needs import needs

LOG = """
import json, sys, wandb
project, count = sys.argv[1], int(sys.argv[2])
config = {"lr": 0.1, "model": {"width": 8}}
with wandb.init(project=project, id="first", config=config, tags=["a"], notes="begin") as run:
    for i in range(count):
        run.log({"loss": 1 / (i + 1), "val/auprc": i / count, "nested": {"x": i}})
"""

READ = """
import json, sys, wandb
run = wandb.Api().run(f"kag/{sys.argv[1]}/first")
print(json.dumps({
    "state": run.state, "config": run.config, "tags": run.tags, "notes": run.notes, "name": run.name,
    "summary": {k: run.summary[k] for k in ("loss", "val/auprc")}, "last": run.lastHistoryStep,
    "rows": [{k: v for k, v in row.items() if k in ("_step", "loss", "nested")} for row in run.scan_history()],
    "keys": sorted(run.history_keys["keys"]),
}))
"""


def test_init_log_finish(client: Any, project: str) -> None:
    client.python(LOG, project, "7")
    found = client.python(READ, project)
    assert found["state"] == "finished"
    assert found["config"] == {"lr": 0.1, "model": {"width": 8}}
    assert (found["tags"], found["notes"]) == (["a"], "begin")
    assert found["summary"] == {"loss": 1 / 7, "val/auprc": 6 / 7}
    assert found["rows"] == [{"_step": i, "loss": 1 / (i + 1), "nested": {"x": i}} for i in range(7)]
    assert found["last"] == 6
    assert {"loss", "nested.x", "val/auprc"} <= set(found["keys"])


def test_a_run_that_raises_is_failed(client: Any, project: str) -> None:
    text = """
    import sys, wandb
    wandb.init(project=sys.argv[1], id="first")
    raise ValueError("bad")
    """
    client.run("python", str(client.script(text)), project, code=1)
    data = client.server.graphql('query($p: String!){project(name:$p){run(name:"first"){state exitcode}}}', p=project)
    assert data["project"]["run"] == {"state": "failed", "exitcode": 1}


def test_resume_continues_the_history(client: Any, project: str) -> None:
    text = """
    import sys, wandb
    with wandb.init(project=sys.argv[1], id="first", resume="must") as run:
        assert run.summary["val/auprc"] == 3 / 4, dict(run.summary)
        assert run.config["lr"] == 0.1
        for i in range(4, 6):
            run.log({"loss": 1 / (i + 1), "val/auprc": 1.0, "nested": {"x": i}})
    """
    client.python(LOG, project, "4")
    client.python(text, project)
    found = client.python(READ, project)
    assert [row["_step"] for row in found["rows"]] == list(range(6))
    assert found["rows"][5]["loss"] == 1 / 6
    assert found["state"] == "finished"


def test_the_same_id_without_resume_starts_over(client: Any, project: str) -> None:
    client.python(LOG, project, "9")
    client.python(LOG, project, "3")
    found = client.python(READ, project)
    assert [row["_step"] for row in found["rows"]] == [0, 1, 2]
    assert found["last"] == 2


def test_offline_sync_twice_gives_the_run_once(client: Any, project: str) -> None:
    client.python(LOG, project, "12", WANDB_MODE="offline")
    folder = next((client.folder / "wandb").glob("offline-run-*"))
    client.wandb("sync", str(folder))
    first = client.python(READ, project)
    (folder / f"{next(folder.glob('*.wandb')).name}.synced").unlink(missing_ok=True)
    client.wandb("sync", "--include-synced", str(folder))
    assert client.python(READ, project) == first
    assert [row["_step"] for row in first["rows"]] == list(range(12))
    assert first["state"] == "finished"


SHARED = """
import sys, time, pathlib, wandb
project, label, primary = sys.argv[1], sys.argv[2], sys.argv[2] == "chief"
settings = wandb.Settings(mode="shared", x_label=label, x_primary=primary, x_update_finish_state=primary)
pathlib.Path(label).touch()
with wandb.init(project=project, id="first", settings=settings) as run:
    for i in range(50):
        run.log({f"{label}/loss": i})
    while primary and not pathlib.Path("workers-done").exists():
        time.sleep(0.05)
"""


def test_several_writers_share_one_run(client: Any, project: str) -> None:
    """`mode="shared"`: the rows of each writer come in the order in which it logged them, none replaces another's."""
    script = str(client.script(SHARED))
    chief = client.start("python", script, project, "chief")
    state = 'query($p: String!){project(name:$p){run(name:"first"){state}}}'
    client.until(lambda: (client.server.graphql(state, p=project)["project"] or {}).get("run"), what="the run")
    workers = [client.start("python", script, project, label) for label in ("one", "two")]
    for worker in workers:
        worker.ends()
    assert client.server.graphql(state, p=project)["project"]["run"]["state"] == "running", "only the chief ends it"
    (client.folder / "workers-done").touch()
    chief.ends()
    found = client.python(
        """
        import json, sys, wandb
        run = wandb.Api().run(f"kag/{sys.argv[1]}/first")
        rows = list(run.scan_history())
        lost = {label: [row[f"{label}/loss"] for row in rows if row.get(f"{label}/loss") is not None]
                for label in ("chief", "one", "two")}
        print(json.dumps({"rows": lost, "count": len(rows), "state": run.state, "last": run.summary["two/loss"]}))
        """,
        project,
    )
    assert found["rows"] == {label: list(range(50)) for label in ("chief", "one", "two")}
    assert (found["count"], found["state"], found["last"]) == (150, "finished", 49)


@needs("wandb", "0.29", "Run.stop")
def test_api_stop_interrupts_a_running_run(client: Any, project: str) -> None:
    """How the client then ends is its own affair: 0.31.0 sometimes hangs on its way out.

    By itself it asks every 15 s; as it is, it does so in the flows of test_wandb_clients.
    """
    text = """
    import pathlib, sys, time, wandb
    from wandb.sdk.lib.run_stopping import RunStopChecker
    RunStopChecker.__init__.__kwdefaults__["poll_interval"] = 0.5
    run = wandb.init(project=sys.argv[1], id="first")
    step = 0
    try:
        pathlib.Path("began").touch()
        while True:
            run.log({"loss": step})
            step += 1
            time.sleep(0.02)
    except KeyboardInterrupt:
        pathlib.Path("interrupted").touch()
    """
    stop = """
    import sys, wandb
    wandb.Api().run(f"kag/{sys.argv[1]}/first").stop()
    """
    client.start("python", str(client.script(text, "endless.py")), project)
    client.until((client.folder / "began").exists, what="the first rows")
    client.python(stop, project)
    client.until((client.folder / "interrupted").exists, what="the interrupt")
    data = client.server.graphql('query($p: String!){project(name:$p){run(name:"first"){shouldStop}}}', p=project)
    assert data["project"]["run"] == {"shouldStop": True}


@pytest.mark.parametrize("kind", BOTH)
def test_a_server_that_is_killed_in_mid_run_loses_nothing(make_client: Any, kind: str, tmp_path: Any) -> None:
    client = make_client(kind, "--strict")
    server = client.server
    text = """
    import sys, time, pathlib, wandb
    with wandb.init(project="p", id="first") as run:
        for i in range(200):
            run.log({"loss": i})
            if i == 100:
                pathlib.Path("half").touch()
                while not pathlib.Path("again").exists():
                    time.sleep(0.05)
    """
    process = client.start("python", str(client.script(text)))
    client.until((tmp_path / "half").exists, what="half of the run")
    server.kill(signal.SIGKILL)
    server.start()
    (tmp_path / "again").touch()
    process.ends()
    rows = "history(minStep:0,maxStep:1000,samples:1000)"
    steps = f'query{{project(name:"p"){{run(name:"first"){{state historyLineCount {rows}}}}}}}'
    run = server.graphql(steps)["project"]["run"]
    assert (run["state"], run["historyLineCount"], len(run["history"])) == ("finished", 200, 200)
