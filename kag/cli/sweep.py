"""`kag sweep`: a sweep from its file to its result, on this machine or on others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from kag.cli.fitted import print_whole, terminal
from kag.cli.sweep_compare import compare
from kag.cli.sweep_fleet import Cpus, Gpus, Runs
from kag.cli.sweep_list import list_sweeps
from kag.cli.sweep_points import manifest, next_point, stop
from kag.cli.sweep_tables import result_table
from kag.cli.words import HELP
from kag.errors import Interrupted, RunFailed
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.cli.sweep_file import Looked
    from kag.cli.sweep_fleet import Wanted
    from kag.cli.sweep_result import SweepResult
    from kag.cli.tracking import Tracking
    from kag.sweep import Sweep


class SweepCommands(TyperGroup):
    """The commands of a sweep. What begins with none of them is a sweep to run: `kag sweep SWEEP.yaml`."""

    unnamed = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words."""
        named = not args or args[0] in (*self.commands, *HELP["help_option_names"])
        return super().parse_args(ctx, args if named else [self.unnamed, *args])


app = typer.Typer(
    cls=SweepCommands,
    no_args_is_help=True,
    context_settings=HELP,
    help="Run a sweep here, under SLURM or on Ray; list them, show, compare or end one, or hand out its points.",
    epilog="`kag sweep SWEEP.yaml` is `kag sweep run SWEEP.yaml`.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON; all else goes to the error stream.")]


def run(
    target: Annotated[Path, typer.Argument(metavar="SWEEP.yaml", help="Sweep file.")],
    agents: Annotated[
        int, typer.Option(help="Agents that run at the same time; here one a GPU where there are any.", min=1)
    ] = 1,
    count: Annotated[int | None, typer.Option(help="Most trials that this call starts, here.", min=1)] = None,
    new: Annotated[bool, typer.Option("--new", help="Start afresh instead of continuing an earlier call.")] = False,
    runs: Runs = Path("runs"),
    on: Annotated[
        str | None, typer.Option(metavar="slurm|ray[://HOST:PORT]", help="Where agents run; else on this machine.")
    ] = None,
    cpus: Cpus = 1,
    gpus: Gpus = 0,
    time: Annotated[str | None, typer.Option(help="SLURM's time limit of an agent, which then queues again.")] = None,
    sbatch: Annotated[str, typer.Option(help="Further options of sbatch, in one word.")] = "",
    as_json: Json = False,
) -> None:
    """Run a sweep; a second call continues where the first one stopped.

    Any W&B sweep file will do, of any program that uses wandb. Points that failed are tried again by a second call.
    Ctrl-C ends the agents and the trials that they run; under SLURM it leaves them, and the same call looks again.

    Examples:

      kag sweep run sweep.yaml --agents 2

      kag sweep run sweep.yaml --agents 4 --count 100

      kag sweep run sweep.yaml --on slurm --agents 8 --gpus-per-agent 1 --time 08:00:00 --sbatch=--partition=long

      kag sweep run sweep.yaml --on ray --agents 4 --cpus-per-agent 2
    """
    from kag.cli.sweep_agents import interruptible
    from kag.cli.sweep_file import look
    from kag.cli.sweep_fleet import require_reachable, wanted
    from kag.cli.sweep_result import write_best
    from kag.cli.sweep_tracking import connected, open_sweep

    console = terminal(stderr=as_json)
    asked = wanted(on, agents, count, cpus, gpus, time, sbatch)
    looked = look(target)
    console.print(looked.table())
    looked.refuse()
    if asked.engine != "here":
        require_reachable(asked.engine)
    with interruptible() as check, connected(runs) as tracking:
        console.say(tracking.said)
        opened = open_sweep(looked.sweep, looked.file, tracking, runs, new=new)
        console.say(opened.said)
        if not opened.over:
            try:
                _run(looked, opened.path, tracking, asked, runs, console, check)
            except Interrupted:
                _print(_result(looked.sweep, opened.path, runs, console), console, as_json=as_json)
                raise
        result = _result(looked.sweep, opened.path, runs, console)
    _print(result, console, as_json=as_json)
    write_best(looked.sweep, result, runs)
    if result.progress.succeeded == 0:
        raise _none_finished(opened.path, asked, runs)


def show(
    identifier: Annotated[str, typer.Argument(metavar="SWEEP", help="Its id, or entity/project/id.")],
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show what a sweep has come to, however it was begun.

    Example: kag sweep show 1a2b3c4d
    """
    from kag.cli.sweep_agents import interruptible
    from kag.cli.sweep_result import write_best
    from kag.cli.sweep_tracking import connected, find_path, kept, sweep_on_server
    from kag.cli.tracking import configured, require_tracked

    console = terminal(stderr=as_json)
    path = find_path(identifier, kept(runs))
    if not configured():
        require_tracked(runs)
    with interruptible(), connected(runs):
        sweep = sweep_on_server(path)
        result = _result(sweep, path, runs, console)
    _print(result, console, as_json=as_json)
    write_best(sweep, result, runs)


app.command(name="run", context_settings=HELP)(run)
app.command(name="list", context_settings=HELP)(list_sweeps)
app.command(name="show", context_settings=HELP)(show)
app.command(name="compare", context_settings=HELP)(compare)
app.command(name="stop", context_settings=HELP)(stop)
app.command(name="next", context_settings=HELP)(next_point)
app.command(name="manifest", context_settings=HELP)(manifest)


def _run(
    looked: Looked,
    path: str,
    tracking: Tracking,
    asked: Wanted,
    runs: Path,
    console: Terminal,
    check: Callable[[], None],
) -> None:
    """Run the agents to their end."""
    from kag.cli.programs import environment_for, whose_python
    from kag.cli.sweep_agents import Started, running_agents, shares_of
    from kag.cli.sweep_fleet import running_elsewhere
    from kag.cli.sweep_watch import Watched, watch

    environment = environment_for(looked.sweep, looked.file, tracking.environment)
    for line in whose_python(environment, os.environ) if looked.plan is None else ():
        console.say(line)
    own, watched = looked.plan is not None, Watched(looked.sweep, path)
    if asked.engine != "here":
        with running_elsewhere(path, asked, environment, runs, console, own=own) as going:
            watch(watched, runs, going, None, console, check)
        return
    shares = shares_of(asked.shape.agents, asked.most)
    with running_agents(path, environment, shares, tracking.embedded, runs=runs if own else None) as started:
        most = None if None in shares else sum(share or 0 for share in shares)
        watch(watched, runs, Started(started), most, console, check)


def _none_finished(path: str, asked: Wanted, runs: Path) -> RunFailed:
    """That no trial has ended well, with the last word of an agent."""
    from kag.cli.sweep_agents import last_error
    from kag.cli.sweep_fleet import log_of

    log = log_of(path, asked, runs)
    what = "no trial of the sweep has finished" + last_error(log)
    return RunFailed(what, where=str(log), remedy="the log has the rest")


def _result(sweep: Sweep, path: str, runs: Path, console: Terminal) -> SweepResult:
    """What it has come to, after what its killed runs could not send has been sent."""
    from kag.cli.sweep_owed import send_all
    from kag.cli.sweep_result import read_result
    from kag.cli.sweep_tracking import trials_of

    send_all(path, runs, console)
    return read_result(sweep, path, trials_of(sweep, path), runs)


def _print(result: SweepResult, console: Terminal, *, as_json: bool) -> None:
    if as_json:
        answer(result.page())
        return
    print_whole(console, result_table(result))
    for why in result.not_comparable:
        console.print(f"[red]warning:[/red] its trials are not comparable: {escape(why)}", soft_wrap=True)
    if result.changed:
        console.print(
            f"[red]warning:[/red] the program changed while the sweep ran, its trials are not of one code: "
            f"{escape(', '.join(result.changed))}",
            soft_wrap=True,
        )
