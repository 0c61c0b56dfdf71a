"""`kag sweep run --on slurm`, `stop` and `next`: against SLURM's commands as programs that start tasks as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kag.fleet import slurm
from kag.fleet.slurm import Jobs, NoAnswer
from tests.e2e import hurried
from tests.e2e.tracking import Client, TrackingServer, until
from tests.fleet.slurm_commands import install, tasks
from tests.fleet.trials import sweep_of

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")
TRIAL = """
import signal, sys, time, wandb
from pathlib import Path

told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
run = wandb.init(settings=wandb.Settings(x_disable_stats=True))
point = run.config["x"]
Path(f"begun-{point}-{run.id}").touch()
run.log({"loss": float(point)})
while point <= 2 and not Path("go").exists() and not told:
    time.sleep(0.05)
if told:
    Path(f"saved-{point}-{run.id}").touch()
run.finish(exit_code=143 if told else 0)
if told:
    sys.exit(143)
with open("done", "a") as file:
    print(point, file=file)
"""


@pytest.fixture
def cluster(server: TrackingServer, tmp_path: Path, project: str) -> Iterator[Client]:
    """A folder that all nodes see, with a sweep in it, and SLURM's commands on PATH, with W&B's in a hurry."""
    client = Client(server, tmp_path)
    (tmp_path / "trial.py").write_text(TRIAL)
    (tmp_path / "sweep.yaml").write_text(sweep_of(project, [1, 2, 3, 4]))
    commands = install(tmp_path / "slurm")
    hurried.install(commands)
    client.env["PATH"] = f"{commands}{os.pathsep}{client.env['PATH']}"
    yield client
    (tmp_path / "go").touch()
    for known in tasks(tmp_path / "slurm").values():
        os.kill(int(known.get("pid", 0)) or os.getpid(), signal.SIGTERM if "pid" in known else 0)
    client.close()


def begun(client: Client, point: int) -> list[Path]:
    return list(client.folder.glob(f"begun-{point}-*"))


def held(client: Client) -> Callable[[], bool]:
    """Whether the two points that wait are being worked on."""
    return lambda: bool(begun(client, 1) and begun(client, 2))


def left(client: Client) -> list[dict[str, Any]]:
    return list(tasks(client.folder / "slurm").values())


def state_of(client: Client, path: str) -> str:
    _, project, identifier = path.split("/")
    query = "query($p: String!, $s: String!){project(name:$p){sweep(sweepName:$s){state}}}"
    return str(client.server.graphql(query, p=project, s=identifier)["project"]["sweep"]["state"])


@pytest.mark.slow(60, "an array is submitted, left by Ctrl-C, requeued, cancelled and joined: each point ends once")
def test_a_sweep_under_slurm_outlives_the_call_that_began_it(cluster: Client) -> None:
    words = (*KAG, "sweep", "sweep.yaml", "--on", "slurm", "--agents", "2", "--time", "00:30:00")
    first = cluster.start(*words)
    until(held(cluster), what="two points")
    first.send_signal(signal.SIGINT)
    said = first.ends(code=128 + signal.SIGINT)
    path = re.search(r"new sweep (\S+)", said)
    assert path, said
    folder = cluster.folder / "runs" / ".server" / "sweeps" / path[1].rsplit("/", 1)[-1]
    assert "its agents go on under SLURM" in said
    assert len(left(cluster)) == 2
    require_no_key(cluster, folder)
    requeued, cancelled = left(cluster)
    os.kill(requeued["pid"], signal.SIGUSR1)
    until(lambda: [one for one in left(cluster) if one["raw"] == requeued["raw"] and one["pid"] != requeued["pid"]])
    cluster.run("scancel", f"{cancelled['job']}_{cancelled['task']}")
    until(lambda: len(left(cluster)) == 1, what="the end of the cancelled task")
    assert len(list(cluster.folder.glob("saved-*"))) >= 2
    (cluster.folder / "go").touch()
    page, _ = json.JSONDecoder().raw_decode(cluster.run(*words, "--json"))
    assert page["trials"] == {"finished": 4}
    assert sorted((cluster.folder / "done").read_text().split()) == ["1", "2", "3", "4"]
    assert left(cluster) == []
    assert state_of(cluster, path[1]) == "FINISHED"
    log = (folder / f"slurm-{requeued['raw']}.log").read_text()
    assert log.count("Starting wandb agent") == 2, "a task that queues again goes on with its log"


def require_no_key(client: Client, folder: Path) -> None:
    """The key stands in one file, which its owner alone can read, and on no command line."""
    key, secret = client.server.key, folder / "agents.env"
    assert secret.stat().st_mode & 0o077 == 0
    assert key in secret.read_text()
    assert key not in (folder / "agents.sh").read_text()
    running = [Path(f"/proc/{name}/cmdline") for name in os.listdir("/proc") if name.isdigit()]
    assert not [file for file in running if file.exists() and key.encode() in file.read_bytes()]


@pytest.mark.slow(30, "a sweep that is stopped gives out no point, and what runs saves and leaves")
def test_a_stopped_sweep_lets_its_trials_save(cluster: Client) -> None:
    first = cluster.start(*KAG, "sweep", "run", "sweep.yaml", "--on", "slurm", "--agents", "2")
    until(held(cluster), what="two points")
    first.send_signal(signal.SIGINT)
    path = re.search(r"new sweep (\S+)", first.ends(code=128 + signal.SIGINT))
    assert path
    said = cluster.run(*KAG, "sweep", "stop", path[1].rsplit("/", 1)[-1])
    assert "told to save and leave: 2" in said
    until(lambda: not left(cluster), what="the end of the tasks")
    assert sorted(file.name.split("-")[1] for file in cluster.folder.glob("saved-*")) == ["1", "2"]
    assert state_of(cluster, path[1]) == "FINISHED"
    assert not begun(cluster, 3)


def test_a_job_that_slurm_refuses_is_said_in_its_words(cluster: Client) -> None:
    words = ("sweep", "run", "sweep.yaml", "--on", "slurm", "--sbatch", "--partition=none")
    assert "sbatch: invalid partition specified: none" in cluster.run(*KAG, *words, code=2)
    said = cluster.run(*KAG, "sweep", "run", "sweep.yaml", "--on", "slurm", "--sbatch=-J x", code=2)
    assert "--sbatch may not give -J" in said


@pytest.mark.slow(20, "a launcher of one's own gets each point once, and what it starts reports to the server")
def test_points_are_handed_out_one_by_one(cluster: Client, project: str) -> None:
    (cluster.folder / "go").touch()
    text = (cluster.folder / "sweep.yaml").read_text().replace("1, 2, 3, 4", "1, 2")
    path = f"kag/{project}/{cluster.sweep(text, project)}"
    seen = []
    for _ in range(2):
        point = json.loads(cluster.run(*KAG, "sweep", "next", path))
        assert not any("KEY" in name for name in point["environment"])
        cluster.run(*point["command"], **point["environment"])
        seen.append(point["parameters"]["x"])
    assert seen == [1, 2]
    assert json.loads(cluster.run(*KAG, "sweep", "next", path)) == {"run": None, "over": True}
    assert sorted((cluster.folder / "done").read_text().split()) == ["1", "2"]


def test_slurm_is_asked_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(install(tmp_path / "slurm")), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    assert Jobs("kag-none").over()


def test_slurm_that_does_not_answer_for_a_while_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[list[str] | NoAnswer] = [["4"], NoAnswer("squeue: Connection reset by peer"), []]

    def tasks_of(name: str) -> list[str]:
        if isinstance(answer := answers.pop(0), NoAnswer):
            raise answer
        return answer

    monkeypatch.setattr(slurm, "tasks_of", tasks_of)
    monkeypatch.setattr(slurm, "LOOK_SECONDS", 0.0)
    jobs = Jobs("kag-x")
    assert [jobs.over() for _ in range(3)] == [False, False, True]
    monkeypatch.setattr(slurm, "UNHEARD_SECONDS", -1.0)
    answers.append(NoAnswer("squeue: Connection reset by peer"))
    with pytest.raises(NoAnswer, match="Connection reset"):
        jobs.over()
