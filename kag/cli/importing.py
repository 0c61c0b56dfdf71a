"""`kag import`: runs of other trackers into `kag serve`, or into the server that `kag track` uses."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.cli.sources import RUNS, Json
from kag.errors import UserError
from kag.text import command
from kag.view.terminal import Terminal, answer, echo

if TYPE_CHECKING:
    from kag.transfer.facts import Origin
    from kag.transfer.target import Target

app = typer.Typer(help="Take over runs of other trackers: what is new each time, and nothing twice.")

TARGET_KEY = "KAG_TARGET_API_KEY"
ENTITY = "kag"
"""Whose runs those are that know nobody."""
Runs = Annotated[
    Path, typer.Option(help="Folder of runs; the server is in .server inside it, as for `kag track`.", file_okay=False)
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        help=f"Another server than that: its URL; its key is {TARGET_KEY}, or from `wandb login`.",
        metavar="URL",
    ),
]
Into = Annotated[str | None, typer.Option("--into", help="Project that they go to.", metavar="ENTITY/PROJECT")]


@app.command("wandb")
def import_wandb(
    project: Annotated[str, typer.Argument(help="What to take over.", metavar="ENTITY/PROJECT")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Server, if not the one that is configured.", metavar="URL")
    ] = None,
    runs: Runs = RUNS,
    to: To = None,
    into: Into = None,
    as_json: Json = False,
) -> None:
    """Take over a project of W&B, or of a server that speaks its Api.

    Runs with every row, files, console, system metrics, artifacts and sweeps, under their ids and with their times.
    Call it again, after an interruption or when runs have gone on: it brings what is new. The key is where wandb looks.

    Examples:

      kag import wandb my-team/my-project

      kag import wandb my-team/my-project --base-url https://wandb.example.org --to http://127.0.0.1:8080
    """
    from kag.track.wandb_api import ProjectSource
    from kag.transfer.wandb_origin import WandbOrigin

    named = ProjectSource.named(project)
    origin = WandbOrigin.at(named.entity, named.project, base_url)
    with _target(to, runs, into or f"{origin.entity}/{origin.project}") as target:
        if str(target) == str(origin):
            raise UserError(
                "this project would be imported into itself", where=str(origin), remedy="pass --to or --into"
            )
        _carry(origin, target, as_json=as_json)


@app.command("tensorboard")
def import_tensorboard(
    folder: Annotated[Path, typer.Argument(help="Folder of event files, as for tensorboard --logdir.", metavar="DIR")],
    runs: Runs = RUNS,
    to: To = None,
    into: Into = None,
    as_json: Json = False,
) -> None:
    """Take over what was logged for TensorBoard: each folder of event files becomes a run (kag[tensorboard]).

    Numbers with their steps and times, and hyperparameters. Call it again when the files have grown.

    Example:

      kag import tensorboard lightning_logs --into me/lightning
    """
    from kag.transfer.tensorboard_origin import TensorboardOrigin

    _carry_stored(TensorboardOrigin(folder), folder, runs, to, into, as_json=as_json)


@app.command("mlflow")
def import_mlflow(
    store: Annotated[Path, typer.Argument(help="Folder mlruns, or the database mlflow.db.", metavar="STORE")],
    runs: Runs = RUNS,
    to: To = None,
    into: Into = None,
    as_json: Json = False,
) -> None:
    """Take over the runs of a store of MLflow, which need not be installed.

    Parameters, metrics with their steps and times, tags, notes and artifacts; the experiment becomes the group.

    Examples:

      kag import mlflow mlruns

      kag import mlflow mlflow.db --into me/experiments
    """
    from kag.transfer.mlflow_origin import MlflowOrigin

    if not store.exists():
        raise UserError("there is no such folder or file", where=str(store))
    _carry_stored(MlflowOrigin(store), store, runs, to, into, as_json=as_json)


def _carry_stored(origin: Origin, place: Path, runs: Path, to: str | None, into: str | None, *, as_json: bool) -> None:
    """The same of runs in files, which know no project; they are looked at before a server is started."""
    found = list(origin.run_facts())
    if not found:
        raise UserError("there are no runs", where=str(place))
    from kag.transfer.stored import run_id_of

    with _target(to, runs, into or f"{ENTITY}/{run_id_of(place.resolve().stem)}") as target:
        _carry(origin, target, as_json=as_json)


def _carry(origin: Origin, target: Target, *, as_json: bool) -> None:
    """Do it, and say what has come of it.

    Raises:
        Exit: something could not be taken.
    """
    from kag.transfer.carry import carry
    from kag.view.progress import reporting

    console = Terminal(stderr=as_json, highlight=False, soft_wrap=True)
    with reporting(console) as tell:
        carried = carry(origin, target, tell)
    if as_json:
        answer({"from": str(origin), "to": str(target), **asdict(carried)})
    else:
        echo(f"{origin} -> {target}")
        echo(f"  {carried}")
    for remark in carried.remarks:
        echo(f"in part: {remark}", err=True)
    for sentence in carried.left:
        echo(f"left out: {sentence}", err=True)
    if carried.left:
        raise typer.Exit(1)


@contextmanager
def _target(to: str | None, runs: Path, into: str) -> Iterator[Target]:
    """The project that runs go to, on a server that runs while the block does.

    Raises:
        UserError: the project has no such name, or there is no key for the server.
    """
    from kag.transfer.target import Target

    entity, _, project = into.partition("/")
    if not entity or not project or "/" in project:
        raise UserError(f"{into!r} names no project", remedy="write --into ENTITY/PROJECT")
    if to is not None:
        yield Target(to, _key(to), entity, project)
        return
    from kag.cli.tracking import server_folder
    from kag.server.embedded import embedded_server

    with embedded_server(server_folder(runs), now=time.time()) as server:
        yield Target(server.url, server.key, entity, project)
        echo(f"`{command('page', runs=runs)}` shows them", err=True)


def _key(url: str) -> str:
    """The key for a server that is named.

    Raises:
        UserError: there is none.
    """
    import requests

    login = requests.utils.get_netrc_auth(url)
    found = os.environ.get(TARGET_KEY) or (login[1] if login else "")
    if not found:
        remedy = f"`kag serve key new NAME` makes one; pass it as {TARGET_KEY}, or log in: wandb login --host {url}"
        raise UserError("there is no key for this server", where=url, remedy=remedy)
    return found
