"""Sweeps of `kag train` under a real SLURM of two nodes on this host, with all that goes wrong there.

    python -m tests.fleet.slurm        # as root, with slurm-wlm and munge installed; `make fleet`

First, of three agents one is cancelled, one is put into the queue again, and the node of the third is killed. Then a
trial takes three times as long as its agents may. Each point ends well once, every record leads to its log, and the
server shows what was trained, of the attempt whose node was killed after the next kag command has seen it. It ends with
how many jobs really ran.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.tracking import Client, TrackingServer, until
from tests.fleet.cluster import Cluster, missing

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")
AGENTS, POINTS, EPOCHS = 3, 6, 12
KILLS = 3
SOUGHT_LIMITS = 4.6
"""Limits that the trial would take at the pace of its probe, which a machine that is busy then makes too slow."""
"""Attempts that are cut off in an epoch, which is trained again."""
LIMIT_MINUTES, NOTICE_SECONDS = 2, 20
"""SLURM looks at limits twice a minute, and gives notice up to a minute early: one minute leaves an agent no time."""
PROBED = 200
"""Epochs that tell how long one takes: so many that what a run needs beside them is little."""
SPEC = """
name: tiny
epochs: {epochs}
data: {{file: demo.h5, batch_size: 32}}
early_stopping: null
model:
  hidden: [8]
  attention: {{heads: 2, layers: 1, width: 8, feedforward: 8}}
"""
SWEEP = """
program: kag
project: {project}
method: grid
metric: {{name: val/auprc, goal: maximize}}
parameters: {{seed: {{values: {seeds}}}}}
command: [kag, train, {spec}, track.mode=auto, "${{args_no_hyphens}}"]
"""


@contextlib.contextmanager
def scene(*options: str) -> Iterator[tuple[Cluster, Client]]:
    """A cluster, a server, and a folder that all nodes see, with data in it.

    Args:
        options: of the server.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster, place = Cluster(folder / "slurm"), folder / "work"
        place.mkdir()
        server = TrackingServer(folder, f"sqlite:///{folder / 'tracking.db'}", "--lease", "20", *options)
        client = Client(server, place)
        client.env |= {**cluster.environment, "OMP_NUM_THREADS": "1"}
        try:
            server.start()
            cluster.up()
            client.run(*KAG, "data", "synth", "demo.h5", "--proteins", "8", "--points", "60")
            yield cluster, client
        finally:
            cluster.down()
            client.close()
            server.kill(signal.SIGTERM)


def records(client: Client, runs: str = "runs") -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(client.folder.glob(f"{runs}/*/record.json"))]


def rows_of(client: Client, project: str, run: str) -> int:
    """Epochs of a run that the server shows."""
    query = "query($p: String!, $r: String!){project(name:$p){run(name:$r){history(samples:100000)}}}"
    rows = [json.loads(row) for row in client.server.graphql(query, p=project, r=run)["project"]["run"]["history"]]
    return len({row["epoch"] for row in rows if "val/loss" in row})


def begin(client: Client, project: str, epochs: int, points: int) -> str:
    """A spec and a sweep, whose file it is."""
    spec, sweep = f"{project}.yaml", f"sweep-{project}.yaml"
    (client.folder / spec).write_text(SPEC.format(epochs=epochs))
    (client.folder / sweep).write_text(SWEEP.format(project=project, spec=spec, seeds=list(range(points))))
    return sweep


def disturbed(cluster: Cluster, client: Client) -> list[str]:
    """One task is cancelled, one is put into the queue again, and the node of the last one is killed and comes back."""
    sweep = begin(client, "disturbed", EPOCHS, POINTS)
    options = ("--on", "slurm", "--agents", str(AGENTS), "--time", "3", "--sbatch", "--signal=B:USR1@30")
    call = client.start(*KAG, "sweep", "run", sweep, *options)
    until(lambda: len(records(client)) >= AGENTS, what="three trials")
    until(lambda: len(list(client.folder.glob("runs/*/checkpoints/last.ckpt"))) >= AGENTS, what="their first epochs")
    shown = cluster.tell("squeue", "--noheader", "--array", "--format=%F_%K %N", "--state=RUNNING").split()
    nodes = dict(zip(shown[::2], shown[1::2], strict=True))
    alone = Counter(nodes.values()).most_common()[-1][0]
    others = [task for task, node in nodes.items() if node != alone]
    cluster.tell("scancel", others[0])
    cluster.tell("scontrol", "requeue", others[-1])
    cluster.kill(alone)
    cluster.revive(alone)
    call.ends(seconds=1500)
    client.run(*KAG, "runs", "list")  # the next command that sees the runs
    return judged(client, "disturbed", "runs", POINTS, EPOCHS, KILLS)


def longer_than_its_limit(client: Client) -> list[str]:
    """A trial of three times the time that SLURM gives an agent: each attempt goes on where the last one was."""
    limit = 60.0 * LIMIT_MINUTES
    short = begin(client, "probe", PROBED, 1)
    client.run(*KAG, "train", short.removeprefix("sweep-"), "track.mode=disabled", "--runs", "probe")
    (probe,) = records(client, "probe")
    seconds = _seconds(probe) / PROBED
    epochs = int(SOUGHT_LIMITS * limit / seconds)
    print(f"an epoch takes {seconds:.3f} s: {epochs} epochs under a limit of {limit:g} s", flush=True)
    sweep = begin(client, "long", epochs, 1)
    notice = f"--signal=B:USR1@{NOTICE_SECONDS}"
    options = ("--on", "slurm", "--agents", "1", "--time", str(LIMIT_MINUTES), "--runs", "long", "--sbatch", notice)
    client.start(*KAG, "sweep", "run", sweep, *options).ends(seconds=2400)
    found = records(client, "long")
    spent = sum(map(_seconds, found))
    print(f"{len(found)} attempts took {spent:.0f} s together", flush=True)
    wrong = judged(client, "long", "long", 1, epochs, len(found) - 1)
    return wrong + ([] if spent > 3 * limit else [f"the trial took {spent:.0f} s, not three times its limit"])


def _seconds(record: dict[str, Any]) -> float:
    end = record["end"] or record["heartbeat"] or record["start"]
    return (datetime.fromisoformat(end) - datetime.fromisoformat(record["start"])).total_seconds()


def judged(client: Client, project: str, runs: str, points: int, epochs: int, kills: int) -> list[str]:
    """What became of each point of a sweep: sentences about what is not as it must be."""
    found, wrong = records(client, runs), []
    ended = Counter(record["config"]["seed"] for record in found if record["status"] == "finished")
    wrong += [f"seed {seed} finished {ended[seed]} times" for seed in range(points) if ended[seed] != 1]
    for record in found:
        log = (record["world"] or {}).get("log")
        if not log or record["wandb_id"] not in Path(log).read_text():
            wrong.append(f"{record['id']} does not lead to its log, but to {log}")
        own = record["epochs_trained"] - inherited(record)
        shown = rows_of(client, project, record["wandb_id"])
        if shown < own:
            wrong.append(f"{record['id']} ({record['status']}) trained {own} epochs, {shown} shown")
    trained = sum(record["epochs_trained"] - inherited(record) for record in found)
    if trained > points * epochs + kills:
        wrong.append(f"{trained} epochs were trained for {points * epochs}")
    statuses = dict(Counter(record["status"] for record in found))
    print(f"{project}: {len(found)} attempts at {points} points: {statuses}", end="")
    print(f"; {trained} epochs trained for {points * epochs}")
    print(*wrong or ["all of it is as it must be"], sep="\n", flush=True)
    return wrong


def inherited(record: dict[str, Any]) -> int:
    """Epochs that a former attempt has trained for this one."""
    return sum(source["epochs"] or 0 for source in record["sources"])


def main() -> int:
    """1 if anything is not as it must be."""
    if why := missing():
        print(f"left out: {why}")
        return 0
    with scene() as (cluster, client):
        wrong = [*disturbed(cluster, client), *longer_than_its_limit(client)]
        print(f"{cluster.started()} tasks of jobs really ran")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
