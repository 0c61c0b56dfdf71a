"""One run in two processes, started in every way there is, on real launchers; and a sweep whose trials span nodes.

    python -m tests.fleet.worlds        # as root, with slurm-wlm and munge installed; `make fleet`
    python -m tests.fleet.worlds srun-2x1 spanning        # the first way, which all are compared with, and these

Lightning, torchrun on one host and on two (network namespaces), srun on one node and on two, and torchrun of which a
process is killed: one folder and one W&B run each, the same weights and rows bit for bit, and the record says by whom
and where.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kag import names
from kag.track.folder import RunFolder
from kag.track.record import Status
from tests.e2e.tracking import ROOT, Client, Logged, family, free_port, until
from tests.fleet.cluster import missing
from tests.fleet.hosts import HOSTS, OUTSIDE, on, two_hosts
from tests.fleet.slurm import KAG, SPEC, records, scene

EPOCHS = 8
SECONDS = 400.0
ON_THIS_HOST = {"MASTER_ADDR": "127.0.0.1"}
"""The names of SLURM's nodes, which are all on one host, lead nowhere."""


class Way(NamedTuple):
    """How a run is started, and what its record is to say."""

    start: Callable[[Client, str, Path], list[Logged]]
    """By a client, under a name, with the file of the hosts' names."""
    launcher: str
    nodes: int
    restarts: int | None = None


def train(name: str, *words: str) -> list[str]:
    """A run whose project and folder have a name."""
    return ["kag", "train", "tiny.yaml", "track.mode=online", f"track.project={name}", "--runs", name, *words]


def torchrun(nodes: int, endpoint: str, *words: str) -> list[str]:
    size = [f"--nnodes={nodes}", f"--nproc-per-node={2 // nodes}", "--max-restarts=1"]
    return ["torchrun", *size, "--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", "--no-python", *words]


def by_lightning(client: Client, name: str, _: Path) -> list[Logged]:
    return [client.start(*train(name, "trainer.devices=2"))]


def by_torchrun(client: Client, name: str, _: Path) -> list[Logged]:
    return [client.start(*torchrun(1, f"127.0.0.1:{free_port()}", *train(name, "trainer.devices=2")))]


def by_torchrun_on_two_hosts(client: Client, name: str, hosts: Path) -> list[Logged]:
    words = torchrun(2, f"{HOSTS['hA']}:29712", *train(name, "trainer.nodes=2"))
    there = {"GLOO_SOCKET_IFNAME": "eth0", "WANDB_BASE_URL": f"http://{OUTSIDE}:{client.server.port}"}
    return [client.start(*on(host, hosts, *words), **there) for host in HOSTS]


def by_srun(client: Client, name: str, _: Path) -> list[Logged]:
    return [client.start("srun", "--nodes=1", "--ntasks=2", *train(name, "trainer.devices=2"), **ON_THIS_HOST)]


def by_srun_on_two_nodes(client: Client, name: str, _: Path) -> list[Logged]:
    return [client.start("srun", "--nodes=2", "--ntasks=2", *train(name, "trainer.nodes=2"), **ON_THIS_HOST)]


def by_torchrun_of_which_one_is_killed(client: Client, name: str, hosts: Path) -> list[Logged]:
    (agent,) = by_torchrun(client, name, hosts)
    until(lambda: any(len(folder.history()) >= 2 for folder in folders(client, name)), what="two epochs")
    os.kill(family(agent.pid)[-1], signal.SIGKILL)
    return [agent]


WAYS: Mapping[str, Way] = {
    "lightning": Way(by_lightning, "lightning", 1),
    "torchrun-1x2": Way(by_torchrun, "torchrun", 1),
    "torchrun-2x1": Way(by_torchrun_on_two_hosts, "torchrun", 2),
    "srun-1x2": Way(by_srun, "slurm", 1),
    "srun-2x1": Way(by_srun_on_two_nodes, "slurm", 2),
    "elastic": Way(by_torchrun_of_which_one_is_killed, "torchrun", 1, restarts=1),
}


def folders(client: Client, name: str) -> list[RunFolder]:
    place = client.folder / name
    return RunFolder.all(place) if place.is_dir() else []


def computed(folder: RunFolder) -> object:
    """All that a run came to, without what only time tells."""
    rows = [{key: row[key] for key in row if key != names.SAMPLES_PER_SECOND} for row in folder.history()]
    record = folder.read_record()
    digests = {name: one.weights_digest for name, one in record.checkpoints.items()}
    return record.status, rows, record.results, digests


def tracked_runs(client: Client, project: str) -> list[str]:
    """Runs that the server has of a project."""
    query = "query($p: String!){project(name:$p){runs{edges{node{name}}}}}"
    return [edge["node"]["name"] for edge in client.server.graphql(query, p=project)["project"]["runs"]["edges"]]


def judged(client: Client, name: str, way: Way, reference: object) -> list[str]:
    """What is not as it must be of a run."""
    found = folders(client, name)
    if len(found) != 1:
        return [f"{name}: {len(found)} run folders"]
    record, wrong = found[0].read_record(), []
    world = record.world
    told = (world.launcher, world.processes, world.nodes, world.restarts) if world else None
    if told != (way.launcher, 2, way.nodes, way.restarts):
        wrong.append(f"{name}: its record has the world {world}")
    if tracked_runs(client, name) != [record.wandb_id]:
        wrong.append(f"{name}: the server has the runs {tracked_runs(client, name)}")
    if computed(found[0]) != reference:
        wrong.append(f"{name}: it came to something else")
    if record.status is not Status.FINISHED:
        wrong.append(f"{name}: it ended as {record.status}, {record.failure}")
    kept = record.checkpoints.get("delivered")
    digest = (kept and kept.weights_digest) or "no weights"
    print(f"{name}: {digest[:12]}, {world}, on {' and '.join(world.hosts) if world else '?'}", flush=True)
    return wrong


def spanning(client: Client) -> list[str]:
    """The shipped sweep whose command is srun, on two nodes, with points that are quick."""
    sweep: dict[str, Any] = yaml.safe_load((ROOT / "sweeps" / "nodes.yaml").read_text())
    sweep |= {"project": "spanning", "parameters": {"seed": {"values": [0, 1]}}}
    sweep["command"] = [word.replace("runs/specs/demo.yaml", "tiny.yaml") for word in sweep["command"]]
    (client.folder / "nodes.yaml").write_text(yaml.safe_dump(sweep))
    options = ("--on", "slurm", "--time", "10", "--runs", "spanning", "--sbatch", "--nodes=2 --ntasks=2")
    client.start(*KAG, "sweep", "run", "nodes.yaml", *options, **ON_THIS_HOST).ends(seconds=SECONDS)
    found = records(client, "spanning")
    print(f"spanning: {[record['status'] for record in found]}")
    wrong = [] if [record["status"] for record in found] == ["finished"] * 2 else ["spanning: not two that finished"]
    for record in found:
        told = [record["world"][key] for key in ("launcher", "processes", "nodes")]
        wrong += [] if told == ["slurm", 2, 2] else [f"spanning: a record has the world {record['world']}"]
        log = record["world"]["log"]
        wrong += [] if log and Path(log).is_file() else [f"spanning: {record['id']} leads to the log {log}"]
    return wrong


def main(wanted: Sequence[str]) -> int:
    """1 if anything is not as it must be.

    Args:
        wanted: ways beside the first one, and `spanning`; none is all.
    """
    if why := missing():
        print(f"left out: {why}")
        return 0
    wrong: list[str] = []
    with scene("--host", "0.0.0.0", "--insecure", "--allow-host", OUTSIDE) as (cluster, client):
        (client.folder / "tiny.yaml").write_text(SPEC.format(epochs=EPOCHS))
        reference: object = None
        with two_hosts(client.folder) as hosts:
            for name, way in WAYS.items():
                if wanted and reference and name not in wanted:
                    continue
                for program in way.start(client, name, hosts):
                    program.ends(seconds=SECONDS)
                reference = reference or computed(folders(client, name)[0])
                wrong += judged(client, name, way, reference)
        wrong += spanning(client) if not wanted or "spanning" in wanted else []
        print(f"{cluster.started()} jobs really ran")
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    began = time.monotonic()
    code = main(sys.argv[1:])
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
