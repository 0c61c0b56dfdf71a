"""`kag agent`: works on the trials of a sweep, one after another, each of them ready to train when it begins."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kag.errors import UserError

if TYPE_CHECKING:
    from kag.cli.trials import Template


def agent(
    context: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="SWEEP", help="Id of a sweep that was made here, or entity/project/id.")
    ],
    count: Annotated[int | None, typer.Option(help="Most trials that this agent begins.", min=1)] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)] = Path("runs"),
) -> None:
    """Work on the trials of a sweep of `kag train`, which begin without loading anything again.

    The first Ctrl-C lets the trial end that goes on, the second one has it save and end, the third one kills it. A
    sweep of another program is for `wandb agent`; both may work on one sweep at the same time.

    Examples:

      kag agent 1a2b3c4d

      CUDA_VISIBLE_DEVICES=1 kag agent team/sites/1a2b3c4d --count 20
    """
    from kag.cli.listening import listening
    from kag.cli.programs import with_kag_first
    from kag.cli.sweep_server import SweepServer
    from kag.cli.sweep_tracking import connected, find_path, kept, sweep_on_server
    from kag.cli.sweep_worker import Worker
    from kag.cli.tracking import configured, require_tracked
    from kag.cli.trials import Workplace
    from kag.sweep.command import trains, with_runs

    template: Template | None = context.obj
    found = find_path(path, kept(runs))
    if not configured():
        require_tracked(runs)
    with listening() as ears, connected(runs) as tracking:
        sweep = sweep_on_server(found)
        if not trains(sweep):
            raise UserError("its command is not `kag train`", where=found, remedy=f"wandb agent {found}")
        environment = {**tracking.environment, "PATH": with_kag_first(tracking.environment)}
        script = shutil.which("kag", path=environment["PATH"]) or sys.argv[0]
        environment.pop("WANDB_SERVICE", None)
        with Workplace(str(Path(script).absolute()), environment, template) as workplace:
            Worker(SweepServer(found), workplace, ears, with_runs(sweep, str(runs)), environment).work(count)
