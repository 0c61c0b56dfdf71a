"""`kag sweep stop`, `next` and `manifest`: a sweep for engines and launchers of one's own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from kag.cli.sweep_fleet import Cpus, Gpus, Runs, require_reachable
from kag.errors import KagError
from kag.view.terminal import answer, echo

Named = Annotated[str, typer.Argument(metavar="SWEEP", help="Id of a sweep that was made here, or entity/project/id.")]


def stop(
    path: Named,
    runs: Runs = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print what was told as JSON.")] = False,
) -> None:
    """End a sweep: no more points are given out, and its agents under SLURM have their trials save and leave.

    `kag sweep run SWEEP.yaml` goes on with it later.

    Example: kag sweep stop 1a2b3c4d
    """
    from kag.cli.sweep_agents import interruptible
    from kag.cli.sweep_tracking import connected, find_path, kept, require_on_server
    from kag.cli.sweep_tracking import stop as stop_on_server
    from kag.cli.tracking import configured, require_tracked
    from kag.fleet.slurm import end, job_name

    found = find_path(path, kept(runs))
    if not configured():
        require_tracked(runs)
    with interruptible(), connected(runs) as tracking:
        if require_on_server(found).state.upper() in ("RUNNING", "PENDING", "PAUSED"):
            stop_on_server(found, tracking)
        told = end(job_name(found)) if shutil.which("squeue") else None
    if as_json:
        answer({"sweep": found, "slurm": told})
        return
    echo(f"sweep {found} gives out no more points; agents leave when the trial that they run has ended")
    if told is not None:
        echo(f"agents under SLURM that were told to save and leave: {told}")


def next_point(path: Named, runs: Runs = Path("runs")) -> None:
    """Hand out one point of a sweep as JSON, for a launcher of one's own: run, parameters, command, environment.

    The point is leased as to an agent: the command must begin within two minutes, with these variables and those of the
    server, and keeps the lease itself. What fails, or gives no sign of life, is handed out again. `run` is null where
    there is no point now, and `over` says whether one may come.

    Example: kag sweep next entity/project/1a2b3c4d
    """
    from kag.cli.sweep_server import SweepServer
    from kag.cli.sweep_tracking import connected, find_path, kept, sweep_on_server
    from kag.sweep.command import with_runs
    from kag.sweep.program import DEFAULT

    found = find_path(path, kept(runs))
    require_reachable("a launcher of one's own")
    with connected(runs):
        sweep = sweep_on_server(found)
        server = SweepServer(found)
        told = server.heartbeat([])
        if told is None:
            raise KagError("the server does not answer", where=found, remedy="ask again")
        point = next((one for one in told if one.type in ("run", "resume")), None)
        if point is None:
            answer({"run": None, "over": any(one.type == "exit" for one in told)})
            return
        kept_there = {"WANDB_DIR": os.environ["WANDB_DIR"]} if os.environ.get("WANDB_DIR") else {}
        words, environment = server.trial_of(point, with_runs(sweep, str(runs)) or DEFAULT, kept_there)
        parameters = {key: given["value"] for key, given in point.whole["args"].items()}
    answer({"run": point.run, "over": False, "parameters": parameters, "command": words, "environment": environment})


def manifest(
    path: Named,
    agents: Annotated[int, typer.Option(help="Pods that work on it at the same time.", min=1)] = 1,
    cpus: Cpus = 1,
    gpus: Gpus = 0,
    memory: Annotated[str, typer.Option(help="Memory of an agent, as Kubernetes writes it.")] = "8Gi",
    image: Annotated[str, typer.Option(help="Image of the agents: what docker/Dockerfile builds.")] = "kag-train",
    secret: Annotated[str, typer.Option(help="Secret that holds WANDB_API_KEY.")] = "kag",
    runs_claim: Annotated[str, typer.Option(help="Volume claim of the run folders.")] = "kag-runs",
    data_claim: Annotated[str, typer.Option(help="Volume claim of the data, which is at /data.")] = "kag-data",
    runs: Runs = Path("runs"),
) -> None:
    """Print a Kubernetes Job whose pods are agents of a sweep.

    The server is the one that is configured here, by an address that pods reach.

    Example: kag sweep manifest entity/project/1a2b3c4d --agents 8 --gpus-per-agent 1 | kubectl apply -f -
    """
    import yaml

    from kag.cli.sweep_tracking import connected, find_path, kept, sweep_on_server
    from kag.fleet import manifest as kubernetes
    from kag.fleet.shape import Shape
    from kag.sweep.command import trains
    from kag.track.wandb_private import base_url

    found = find_path(path, kept(runs))
    require_reachable("a cluster")
    with connected(runs):
        own = trains(sweep_on_server(found))
    cluster = kubernetes.Cluster(image, secret, runs_claim, data_claim, memory)
    job = kubernetes.manifest(found, base_url(), Shape(agents, cpus, gpus), cluster, own=own)
    echo(yaml.safe_dump(job, sort_keys=False), nl=False)
