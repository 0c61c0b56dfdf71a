"""Agents of `kag sweep run` that are elsewhere: under SLURM, where they outlive this process, or on a Ray cluster."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from kag.errors import Interrupted, UserError
from kag.fleet.shape import Shape, agent_words
from kag.text import command
from kag.view.terminal import Terminal

if TYPE_CHECKING:
    from kag.cli.sweep_watch import Going

Runs = Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)]
Cpus = Annotated[int, typer.Option("--cpus-per-agent", help="Cores of an agent that is elsewhere.", min=1)]
Gpus = Annotated[int, typer.Option("--gpus-per-agent", help="GPUs of an agent that is elsewhere.", min=0)]

HERE, SLURM, RAY = "here", "slurm", "ray"


class Wanted(NamedTuple):
    """The agents that a call of `kag sweep run` asks for."""

    engine: str
    """One of the three above."""
    shape: Shape
    address: str | None = None
    """Of a Ray cluster, `ray://HOST:PORT`; None for the one of this machine."""
    most: int | None = None
    """Most trials, here."""
    sbatch: tuple[str, ...] = ()
    """Further options of sbatch."""


def wanted(
    on: str | None, agents: int, count: int | None, cpus: int, gpus: int, time: str | None, sbatch: str
) -> Wanted:
    """What the options of `kag sweep run` mean.

    Raises:
        UserError: there is no such engine, or one of them means nothing there.
    """
    from kag.fleet.slurm import require_own

    engine, separator, place = (on or HERE).partition("://")
    if engine not in (HERE, SLURM, RAY) or (separator and (engine != RAY or not place)):
        raise UserError(f"agents cannot run on {on!r}", nearest="slurm, ray, ray://HOST:PORT")
    if engine != SLURM and (time or sbatch):
        raise UserError("--time and --sbatch are SLURM's", remedy="add --on slurm")
    if engine == HERE and (cpus != 1 or gpus):
        raise UserError("agents on this machine share its cores and GPUs", remedy="add --on slurm, or --on ray")
    if engine != HERE and count is not None:
        raise UserError("--count is for agents on this machine", remedy="`run_cap` in the sweep file bounds its trials")
    options = shlex.split(sbatch)
    require_own(options)
    return Wanted(engine, Shape(agents, cpus, gpus, time), on if separator else None, count, tuple(options))


def require_reachable(what: str) -> None:
    """Refuse what only agents of this machine could reach.

    Raises:
        UserError: no server is configured.
    """
    from kag.cli.tracking import configured

    if not configured():
        remedy = "start `kag serve` where all nodes reach it, and set WANDB_BASE_URL and WANDB_API_KEY"
        raise UserError(
            f"no server is configured, and one of kag's own is reached from this machine alone: {what} needs one",
            remedy=remedy,
        )


def running_elsewhere(
    path: str, asked: Wanted, environment: Mapping[str, str], runs: Path, console: Terminal, *, own: bool
) -> AbstractContextManager[Going]:
    """Agents that run inside the block; those under SLURM go on after it.

    Args:
        path: of the sweep, `entity/project/id`.
        asked: how many, and where.
        environment: how they reach the server.
        runs: the folder of the run folders.
        console: told what was started.
        own: whether the trials are kag's own.
    """
    start = _under_slurm if asked.engine == SLURM else _on_ray
    return start(path, asked, environment, runs.absolute(), console, own=own)


def log_of(path: str, asked: Wanted, runs: Path) -> Path:
    """Where an agent of a sweep wrote last what it said."""
    from kag.cli import sweep_agents

    if asked.engine == HERE:
        return sweep_agents.log_of(path, 0, os.environ)
    logs = _folder(path, runs)
    found = sorted(logs.glob("*.log"), key=lambda file: file.stat().st_mtime)
    return found[-1] if found else logs


def _folder(path: str, runs: Path) -> Path:
    from kag.cli.tracking import sweep_folder

    return sweep_folder(runs, path.rsplit("/", 1)[-1])


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What agents elsewhere must know; they have all else from where they are."""
    import wandb

    from kag.track.wandb_private import base_url

    key = wandb.Api().api_key
    known = {"WANDB_BASE_URL": base_url(), "PATH": environment["PATH"], **({"WANDB_API_KEY": key} if key else {})}
    kept = ("PYTHONPATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WANDB_IDENTITY_TOKEN_FILE")
    return known | {name: environment[name] for name in kept if name in environment}


@contextmanager
def _under_slurm(
    path: str, asked: Wanted, environment: Mapping[str, str], runs: Path, console: Terminal, *, own: bool
) -> Iterator[Going]:
    from kag.fleet.batch import batch_script, environment_file
    from kag.fleet.slurm import Jobs, job_name, submit, tasks_of
    from kag.track.atomic import write_atomically

    name, folder, identifier = job_name(path), _folder(path, runs), path.rsplit("/", 1)[-1]
    there = len(tasks_of(name))
    if there:
        console.say(f"{there} of its agents wait or run under SLURM already")
    if there < asked.shape.agents:
        shape = asked.shape._replace(agents=asked.shape.agents - there)
        script, variables = folder / "agents.sh", folder / "agents.env"
        words = agent_words(path, str(runs), own=own)
        text = batch_script(
            shape, name=name, output=str(folder / "slurm-%j.log"), agent=shlex.join(words), folder=Path.cwd()
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(variables, environment_file(_variables(environment)), mode=0o600)
        write_atomically(script, text)
        job = submit(script, [path, str(variables)], asked.sbatch, environment)
        console.say(f"job {job} of SLURM has {shape.agents} agents; each one's log is {folder}/slurm-JOB.log")
    try:
        yield Jobs(name)
    except Interrupted as error:
        look, stop = command("sweep", "show", identifier, runs=runs), command("sweep", "stop", identifier, runs=runs)
        error.remedy = f"its agents go on under SLURM; `{look}` looks again, `{stop}` ends them"
        raise


@contextmanager
def _on_ray(
    path: str, asked: Wanted, environment: Mapping[str, str], runs: Path, console: Terminal, *, own: bool
) -> Iterator[Going]:
    from kag.fleet.ray_tasks import Tasks
    from kag.fleet.shape import PATIENCE

    logs = _folder(path, runs)
    variables = {**_variables(environment), **PATIENCE}
    words = agent_words(path, str(runs), own=own)
    tasks = Tasks(asked.address, asked.shape, words, variables, Path.cwd(), logs)
    console.say(f"{asked.shape.agents} agents are tasks of Ray; their logs are {logs}/agent-*.log")
    try:
        yield tasks
    finally:
        tasks.close()
