"""`kag init`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from kag.text import command
from kag.view.terminal import Terminal, answer, echo

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; it is made.", metavar="DIR")],
    sweep: Annotated[
        str,
        typer.Option(
            help="Search to begin with: gate_penalty, joint, nodes, pos_weight or swa_window.", metavar="NAME"
        ),
    ] = "gate_penalty",
    as_json: Json = False,
) -> None:
    """Begin a project: a spec, a sweep, data to try, and a page of ten lines that says what to do with them.

    A file that is there already is kept, and nothing is written then. Data files take the extra kag[train]; without
    it the others are written.

    Examples:

      kag init demo

      kag init search --sweep joint
    """
    from kag.starters.project import DATA, PAGE, SPEC, make_project

    synthesise = _synthesise(Terminal(stderr=as_json))
    written = make_project(folder, sweep, synthesise)
    if synthesise is None:
        echo(f"no {DATA}: data files need h5py: pip install 'kag[train]'", err=True)
    if as_json:
        answer({"files": written})
        return
    echo(f"wrote {', '.join(map(str, written))}")
    echo(f"begin with: cd {shlex.quote(str(folder))} && {command('train', SPEC)}; {PAGE} there says more")


def _synthesise(console: Terminal) -> Callable[[Path], None] | None:
    """Writes data to try; None without the extra that data files take."""
    from importlib.util import find_spec

    if find_spec("h5py") is None:
        return None
    from kag.data.synth import synthesise

    return lambda path: synthesise(path, say=console.say)
