"""`kag`: the commands, and the one place where an error becomes text."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer
from rich.markup import escape

from kag.cli import (
    blend,
    changelog,
    data,
    evaluate,
    mine,
    predict,
    report,
    runs,
    serve,
    spec,
    sweep,
    track,
    train,
    windows,
)
from kag.cli.words import WITH_OVERRIDES
from kag.errors import Interrupted, KagError, UserError
from kag.view.terminal import Terminal

_TRAINING = "training needs PyTorch and Lightning: pip install 'kag[train]'"
BEYOND = {"torch": _TRAINING, "lightning": _TRAINING, "h5py": "data files need h5py: pip install 'kag[train]'"}
"""Packages that only an extra of kag brings, and what to say where one is missing."""

app = typer.Typer(
    name="kag",
    help="Train, track and compare gated k-nearest-neighbour aggregation models of protein binding sites.",
    epilog="Begin with: kag data synth demo.h5, then kag train runs/specs/demo.yaml data.file=demo.h5",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command(name="train", context_settings=WITH_OVERRIDES)(train.train)
app.command(name="eval")(evaluate.evaluate)
app.command(name="predict")(predict.predict)
app.command(name="check", context_settings=WITH_OVERRIDES)(spec.check)
app.command(name="schema")(spec.schema)
app.command(name="windows")(windows.windows)
app.command(name="blend")(blend.blend)
app.command(name="mine")(mine.mine)
app.command(name="sweep")(sweep.sweep)
app.command(name="track", context_settings=track.ANY_PROGRAM)(track.track)
app.command(name="page")(track.page)
app.command(name="report")(report.report)
app.command(name="doctor")(changelog.doctor)
app.command(name="note")(changelog.note)
app.add_typer(changelog.app, name="changelog")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(serve.app, name="serve")


def main() -> None:
    """Run a command; a `KagError` is printed and gives its exit code."""
    former = signal.signal(signal.SIGTERM, _end)
    try:
        _run()
    except KagError as error:
        told = escape(str(error))
        Terminal(stderr=True).print(f"[bold red]error:[/bold red] {told}", soft_wrap=True, highlight=False)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # What no room of kag has met: still the system's word, and no fault of the program.
        place = f"{error.filename}: " if error.filename else ""
        Terminal(stderr=True).print(f"[bold red]error:[/bold red] {escape(f'{place}{error.strerror or error}')}")
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, former)


def _end(number: int, _: FrameType | None) -> None:
    """End as at an error, so that half-written files are taken away; a second SIGTERM ends at once.

    Commands with more to save (`kag train`, `kag sweep`) have handlers of their own while they run.
    """
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted("SIGTERM received", signal_number=number)


def _run() -> None:
    """Run a command; commands load what they need, so an extra that is not installed shows first here."""
    try:
        app()
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in BEYOND:
            raise
        raise UserError(BEYOND[package]) from error
