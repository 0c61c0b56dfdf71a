"""`kag track`: any program that uses wandb, on a server of kag's own; and `kag page`, which shows what that has."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from kag.errors import ENDING, KagError, exit_code_of
from kag.view.terminal import Terminal, echo

if TYPE_CHECKING:
    from kag.server.embedded import Embedded

ANY_PROGRAM = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""All words behind the program are its own."""

Runs = Annotated[Path, typer.Option(help="Folder of runs; the server is in .server inside it.", file_okay=False)]
RUNS = Path("runs")

BY_KEYS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""Signals that a terminal sends to all processes at it."""


def track(
    program: Annotated[list[str], typer.Argument(metavar="-- PROGRAM [WORD]...", help="The program and its words.")],
    runs: Runs = RUNS,
) -> None:
    """Run any program that uses wandb, tracked by a server of kag's own; nothing has to be configured.

    The server starts and ends with the program, and is shared with others that use it. Where W&B is configured
    (WANDB_API_KEY, WANDB_BASE_URL or a log-in), that is used. Signals reach the program, and its exit code is kag's.

    Examples:

      kag track -- python train.py --lr 0.1

      kag track -- bash experiments.sh
    """
    from kag.cli.programs import check_program, search_path, whose_python
    from kag.cli.tracking import tracked

    console = Terminal(stderr=True, soft_wrap=True, highlight=False, markup=False)
    around = {**os.environ, "PATH": search_path(os.environ, program[0])}
    check_program(program[0], around)
    for line in whose_python(around, os.environ):
        console.print(f"kag: {line}")
    if os.environ.get("WANDB_MODE") == "disabled":
        console.print("kag: nothing is tracked, since WANDB_MODE is disabled")
        raise typer.Exit(run_program(program, around))
    began = time.time()
    with tracked(runs) as tracking:
        console.print(f"kag: {tracking.said}")
        server = tracking.embedded
        environment = {**tracking.environment, "PATH": around["PATH"]}
        code = run_program(program, environment, inherited=() if server is None else (server.users,))
        if server is not None:
            _tell(server, began, console)
    raise typer.Exit(code)


def _tell(server: Embedded, began: float, console: Terminal) -> None:
    found = server.logged_since(began)
    console.print(f"kag: {len(found) or 'no'} run{'' if len(found) == 1 else 's'} logged meanwhile")
    for address, state in found:
        console.print(f"  {address}  {f'{state}, it has logged no end' if state == 'running' else state}")


def page(runs: Runs = RUNS) -> None:
    """Open the page of what `kag track` and `kag sweep` have tracked here, until Ctrl-C.

    The link that it prints logs you in once; the browser stays logged in.

    Example:

      kag page
    """
    from kag.cli.tracking import require_tracked, server_folder

    require_tracked(runs)  # before the server is loaded, which takes a second
    from kag.server.embedded import embedded_server
    from kag.server.page.tickets import TICKET_SECONDS

    with contextlib.suppress(KeyboardInterrupt), embedded_server(server_folder(runs), now=time.time()) as server:
        echo(f"page: {server.login_link(now=time.time())}")
        echo(f"  this link works once, for {TICKET_SECONDS // 60} minutes; then {server.url}/")
        echo("  Ctrl-C closes it")
        server.wait()
        raise KagError("the server has ended by itself", where=str(server.folder.log), remedy="its log says why")


def run_program(words: Sequence[str], environment: Mapping[str, str], *, inherited: Sequence[int] = ()) -> int:
    """Run a program to its end, passing signals on to it; its exit code as shells have it.

    Args:
        words: what to start.
        environment: its variables.
        inherited: descriptors that it keeps open.
    """
    at_terminal = _at_terminal()
    # What a terminal sends reaches the program by itself. Elsewhere it gets a process group of its own, so that what
    # is sent to kag's reaches it once.
    with _passing_on(at_terminal) as started:
        process = Popen(words, env=environment, pass_fds=inherited, process_group=None if at_terminal else 0)
        started(process)
        code = process.wait()
    return code if code >= 0 else exit_code_of(-code)


@contextmanager
def _passing_on(at_terminal: bool) -> Iterator[Callable[[Popen[bytes]], None]]:
    """While the block runs, signals go on to the program that it says it has started, those before that with it."""
    processes: list[Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None = None) -> None:
        if at_terminal and number in BY_KEYS:
            return
        if not processes:
            early.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            if number in BY_KEYS:
                os.killpg(processes[0].pid, number)
            else:
                processes[0].send_signal(number)

    def started(process: Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            pass_on(number)

    former = {number: signal.signal(number, pass_on) for number in {*ENDING, *BY_KEYS}}
    try:
        yield started
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _at_terminal() -> bool:
    """Whether the keys of a terminal reach this process."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
