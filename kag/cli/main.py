"""`kag`: the commands, and the one place where an error becomes text."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from kag import __version__
from kag.cli import (
    agent,
    blend,
    changelog,
    completion,
    data,
    ensemble,
    evaluate,
    export,
    importing,
    init,
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
from kag.cli.metavars import PlainGroup
from kag.cli.words import HELP, WITH_OVERRIDES, TakesOverrides
from kag.errors import Interrupted, KagError, UserError
from kag.text import printable
from kag.view.terminal import Terminal, echo

if TYPE_CHECKING:
    from kag.cli.trials import Template
    from kag.train.worker import Held

_TRAINING = "training needs PyTorch and Lightning: pip install 'kag[train]'"
BEYOND = {"torch": _TRAINING, "lightning": _TRAINING, "h5py": "data files need h5py: pip install 'kag[train]'"}
"""Packages that only an extra of kag brings, and what to say where one is missing."""

PATIENT_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Threads that wait for others sleep, by libgomp's variable and Intel's, which are read when torch is loaded. Spinning
costs a loaded machine most of its time."""

_INPUT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)
"""What the system says of a path that was named wrongly."""


class Commands(PlainGroup):
    """The commands. Typer would end at Ctrl-C without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; one that ends by Ctrl-C as it should has caught it itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise Interrupted("SIGINT received", signal_number=signal.SIGINT) from error


def _tell_version(asked: bool) -> None:
    if asked:
        echo(f"kag {__version__}")
        raise typer.Exit


def options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """Train, track and compare gated k-nearest-neighbour aggregation models of protein binding sites."""


app = typer.Typer(
    name="kag",
    cls=Commands,
    context_settings=HELP,
    epilog="Begin with: kag init demo, then, in that folder, kag train demo.yaml. Exit codes: 0 done, 1 a run, a check "
    "or a disk failed, 2 the input was at fault, 128 + signal (130: Ctrl-C, 143: SIGTERM).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.callback()(options)
app.command(name="init")(init.init)
app.command(name="train", cls=TakesOverrides, context_settings=WITH_OVERRIDES)(train.train)
app.command(name="eval")(evaluate.evaluate)
app.command(name="predict")(predict.predict)
app.command(name="check", cls=TakesOverrides, context_settings=WITH_OVERRIDES)(spec.check)
app.command(name="schema")(spec.schema)
app.command(name="windows")(windows.windows)
app.command(name="blend")(blend.blend)
app.command(name="ensemble")(ensemble.ensemble)
app.command(name="mine")(mine.mine)
app.add_typer(sweep.app, name="sweep")
app.command(name="agent")(agent.agent)
app.command(name="track", context_settings=track.ANY_PROGRAM)(track.track)
app.command(name="page")(track.page)
app.command(name="report")(report.report)
app.command(name="doctor")(changelog.doctor)
app.command(name="note")(changelog.note)
app.add_typer(changelog.app, name="changelog")
app.command(name="export")(export.export)
app.add_typer(importing.app, name="import")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.add_typer(serve.app, name="serve")


def main(given: Held | Template | None = None) -> None:
    """Run a command; what is wrong is printed as a sentence and gives its exit code.

    Args:
        given: what this process has already for its command: data for `train`, a process to copy for `agent`.
    """
    _open_streams()
    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)
    former = signal.signal(signal.SIGTERM, _end)
    try:
        with completion.answering(os.environ):
            code = _run(given)
        sys.stdout.flush()
    except KagError as error:
        code = _told(error)
    except BrokenPipeError:
        code = 1
    except OSError as error:
        # What no room of kag has met: still the system's word, and no fault of the program.
        kind = UserError if error.errno in _INPUT else KagError
        code = _told(kind(error.strerror or str(error), where=error.filename and os.fsdecode(error.filename)))
    finally:
        signal.signal(signal.SIGTERM, former)
    _let_go()
    sys.exit(code)


def _told(error: KagError) -> int:
    """Print an error; its exit code. It keeps that where nobody takes the text."""
    with suppress(OSError, KagError):
        text = Text.assemble(("error:", "bold red"), f" {printable(str(error), lines=True)}")
        Terminal(stderr=True).print(text, soft_wrap=True, highlight=False)
    return error.exit_code


def _open_streams() -> None:
    """Put something in the place of streams that were closed: a file of kag's would get their number, and the text.

    What is printed to a closed standard output is refused, as on a full disk; errors that nobody wants are dropped.
    """
    for number, way in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, way)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))


def _let_go() -> None:
    """Drop what a stream did not take: Python would try again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(number: int, _: FrameType | None) -> None:
    """End as at an error, so that half-written files are taken away; a second SIGTERM ends at once.

    Commands with more to save (`kag train`, `kag sweep`) have handlers of their own while they run.
    """
    signal.signal(number, signal.SIG_DFL)
    raise Interrupted("SIGTERM received", signal_number=number)


def _run(given: Held | Template | None) -> int:
    """Run a command; its exit code.

    Raises:
        UserError: the command line is not understood; or an extra is not installed, which shows first here, since
            commands load what they need.
    """
    try:
        return app(standalone_mode=False, prog_name="kag", obj=given) or 0
    except typer.TyperException as error:
        # Without a text it is a command that needs another word, whose help has been printed.
        if not error.format_message():
            return error.exit_code
        context = getattr(error, "ctx", None)
        remedy = f"`{context.command_path} --help` says how it is called" if context else None
        raise UserError(error.format_message(), remedy=remedy) from error
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in BEYOND:
            raise
        raise UserError(BEYOND[package]) from error
