"""A sweep of `kag train` under a real SLURM of two nodes on this host, with all that goes wrong there.

    python -m tests.fleet.slurm        # as root, with slurm-wlm and munge installed; `make fleet`

Of three agents one is cancelled, one is put into the queue again, and the node of the third is killed; all of them meet
their time limit. Then each point has ended well once, every record leads to its log, and the server shows what was
trained; of the attempt whose node was killed it says how much. It ends with how many jobs really ran.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.tracking import Client, TrackingServer, family, free_port, until

KAG = (sys.executable, "-c", "from kag.cli.main import main; main()")
AGENTS, POINTS, EPOCHS = 3, 6, 12
NODES = ("n1", "n2")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
CONF = """
ClusterName=kag
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
CredType=cred/munge
SlurmctldPort={port}
StateSaveLocation={root}/state
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmdSpoolDir={root}/spool-%n
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=30
JobRequeue=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[0]} CPUs=2 RealMemory=2000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""
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
project: fleet
method: grid
metric: {{name: val/auprc, goal: maximize}}
parameters: {{seed: {{values: {seeds}}}}}
command: [kag, train, tiny.yaml, track.mode=auto, "${{args_no_hyphens}}"]
"""


class Cluster:
    """SLURM on this host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.conf = root / "slurm.conf"
        self._munged = False

    def up(self) -> None:
        """Start munge if nobody has, the controller, and both nodes."""
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True)
        words = {"host": socket.gethostname().partition(".")[0], "port": free_port(), "root": self.root}
        self.conf.write_text(CONF.format(**words, ports=[free_port(), free_port()]))
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", "/run/munge"], check=True)
            subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", shutil.which("munged") or "munged"], check=True)
            self._munged = True
        self._run("slurmctld")
        for node in NODES:
            self._run("slurmd", "-N", node)
        until(lambda: self._run("sinfo", "-N", "-h", "-o", "%t").split() == ["idle"] * len(NODES), what="two nodes")

    def kill(self, node: str) -> None:
        """Kill -9 a node: its daemon and all that runs there."""
        daemon = self._pid(f"slurmd-{node}")
        steps = subprocess.run(["pgrep", "-f", "^slurmstepd: "], capture_output=True, text=True, check=False)
        jobs = self._run("squeue", "--noheader", "--nodelist", node, "--format=%A", "--state=RUNNING").split()
        for step in steps.stdout.split():
            line = Path(f"/proc/{step}/cmdline").read_bytes().decode()
            if any(f"[{job}." in line for job in jobs):
                _kill(family(int(step)))
        _kill([daemon])

    def revive(self, node: str) -> None:
        """The node comes back."""
        # A node that is down while a job of it is being cleared away is shown as `comp*`.
        shown = ("sinfo", "-h", "-n", node, "-o", "%t")
        until(lambda: self._run(*shown).strip() in ("down*", "down", "comp*"), what="SLURM to see that it is gone")
        self._run("slurmd", "-N", node)

    def down(self) -> None:
        """End all of it."""
        self._run("scancel", "--user=root", check=False)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self._pid(name), signal.SIGTERM)

    def _pid(self, name: str) -> int:
        return int((self.root / f"{name}.pid").read_text())

    def _run(self, *words: str, check: bool = True) -> str:
        environment = {**os.environ, "SLURM_CONF": str(self.conf)}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def tell(self, *words: str) -> str:
        """Call one of SLURM's commands; what it printed."""
        return self._run(*words)

    def started(self) -> int:
        """How often a task of a job began."""
        log = (self.root / "slurmctld.log").read_text()
        return len(re.findall(r"(?:sched: Allocate|backfill: Started) JobId=", log))


def _kill(processes: Sequence[int]) -> None:
    for number in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


@contextlib.contextmanager
def scene() -> Iterator[tuple[Cluster, Client]]:
    """A cluster, a server, and a folder that all nodes see."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        cluster, place = Cluster(folder / "slurm"), folder / "work"
        place.mkdir()
        server = TrackingServer(folder, f"sqlite:///{folder / 'tracking.db'}", "--lease", "20")
        client = Client(server, place)
        client.env |= {"SLURM_CONF": str(cluster.conf), "OMP_NUM_THREADS": "1"}
        try:
            server.start()
            cluster.up()
            yield cluster, client
        finally:
            cluster.down()
            client.close()
            server.kill(signal.SIGTERM)


def records(client: Client) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(client.folder.glob("runs/*/record.json"))]


def rows_of(client: Client, run: str) -> int:
    """Epochs of a run that the server shows."""
    query = 'query($r: String!){project(name:"fleet"){run(name:$r){history}}}'
    rows = [json.loads(row) for row in client.server.graphql(query, r=run)["project"]["run"]["history"]]
    return len({row["epoch"] for row in rows if "val/loss" in row})


def begin(client: Client) -> None:
    """Data, a spec and a sweep."""
    client.run(*KAG, "data", "synth", "demo.h5", "--proteins", "8", "--points", "60")
    (client.folder / "tiny.yaml").write_text(SPEC.format(epochs=EPOCHS))
    (client.folder / "sweep.yaml").write_text(SWEEP.format(seeds=list(range(POINTS))))


def main() -> int:
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.geteuid():
        print(
            f"left out: {'it wants root' if os.geteuid() else f'there is no {missing[0]}: apt install slurm-wlm munge'}"
        )
        return 0
    with scene() as (cluster, client):
        begin(client)
        options = ("--on", "slurm", "--agents", str(AGENTS), "--time", "3", "--sbatch", "--signal=B:USR1@30")
        call = client.start(*KAG, "sweep", "run", "sweep.yaml", *options)
        until(lambda: len(records(client)) >= AGENTS, what="three trials")
        until(
            lambda: len(list(client.folder.glob("runs/*/checkpoints/last.ckpt"))) >= AGENTS, what="their first epochs"
        )
        disturb(cluster)
        call.ends(seconds=1500)
        return judge(cluster, client)


def disturb(cluster: Cluster) -> None:
    """One task is cancelled, one is put into the queue again, and the node of the last one is killed and comes back."""
    shown = cluster.tell("squeue", "--noheader", "--array", "--format=%F_%K %N", "--state=RUNNING").split()
    nodes = dict(zip(shown[::2], shown[1::2], strict=True))
    alone = Counter(nodes.values()).most_common()[-1][0]
    others = [task for task, node in nodes.items() if node != alone]
    cluster.tell("scancel", others[0])
    cluster.tell("scontrol", "requeue", others[-1])
    cluster.kill(alone)
    cluster.revive(alone)


def judge(cluster: Cluster, client: Client) -> int:
    """Say what became of each point; 1 if anything is not as it must be."""
    found, wrong = records(client), []
    ended = Counter(record["config"]["seed"] for record in found if record["status"] == "finished")
    wrong += [f"seed {seed} finished {ended[seed]} times" for seed in range(POINTS) if ended[seed] != 1]
    for record in found:
        job = (record["world"] or {}).get("job")
        logs = list(client.folder.glob(f"runs/.server/sweeps/*/slurm-{job}.log"))
        if not logs or record["wandb_id"] not in logs[0].read_text():
            wrong.append(f"{record['id']} does not lead to its log by job {job}")
        shown = rows_of(client, record["wandb_id"])
        if record["status"] == "running":
            print(f"{record['id']} was on the node that was killed: {shown} of {record['epochs_trained']} epochs shown")
        elif shown < record["epochs_trained"]:
            wrong.append(
                f"{record['id']} ({record['status']}) trained {record['epochs_trained']} epochs, {shown} shown"
            )
    trained = sum(record["epochs_trained"] for record in found)
    print(f"{cluster.started()} tasks of jobs really ran; {len(found)} attempts at {POINTS} points: ", end="")
    print(dict(Counter(record["status"] for record in found)), end="")
    print(f"; {trained} epochs trained for {POINTS * EPOCHS}")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
