"""`kag sweep`: a sweep from its file to its result, with or without a W&B server; and the sweep side of `kag check`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import RenderableType
from rich.markup import escape

from kag.cli.fitted import print_whole, terminal
from kag.cli.sweep_tables import outline_table, plan_table, result_table
from kag.errors import DataError, Interrupted, RunFailed, SweepError, UserError
from kag.view.terminal import Terminal, answer

if TYPE_CHECKING:
    from kag.cli.sweep_result import SweepResult
    from kag.cli.tracking import Tracking
    from kag.sweep import Sweep
    from kag.sweep.plan import Plan


def sweep(
    target: Annotated[str, typer.Argument(metavar="SWEEP.yaml | show", help="Sweep file, or the word `show`.")],
    identifier: Annotated[str | None, typer.Argument(metavar="[ID]", help="With show: the sweep's id.")] = None,
    agents: Annotated[
        int, typer.Option(help="Agents that run at the same time; one a GPU where there are any.", min=1)
    ] = 1,
    count: Annotated[int | None, typer.Option(help="Most trials that this call starts.", min=1)] = None,
    new: Annotated[bool, typer.Option("--new", help="Start afresh instead of continuing an earlier call.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)] = Path("runs"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; all else goes to the error stream.")
    ] = False,
) -> None:
    """Run a sweep, or show one; a second call continues where the first one stopped.

    Any W&B sweep file will do, of any program that uses wandb. Points that failed are tried again by a second call.
    Ctrl-C ends the agents and the trials that they run.

    Examples:

      kag sweep sweeps/swa_window.yaml --agents 2

      kag sweep sweep.yaml --agents 4 --count 100

      kag sweep show 1a2b3c4d
    """
    from kag.cli.sweep_agents import interruptible, last_error, log_of, shares_of
    from kag.cli.sweep_result import write_best
    from kag.cli.sweep_tracking import connected, open_sweep

    console = terminal(stderr=as_json)
    if target == "show":
        _show(identifier, runs, console, as_json=as_json)
        return
    looked = look(Path(target))
    console.print(looked.table())
    looked.refuse()
    with interruptible() as check, connected(runs) as tracking:
        console.say(tracking.said)
        opened = open_sweep(looked.sweep, looked.file, tracking, runs, new=new)
        console.say(opened.said)
        if not opened.over:
            try:
                _run(looked, opened.path, tracking, shares_of(agents, count), runs, console, check)
            except Interrupted:
                _print(_result(looked.sweep, opened.path, runs), console, as_json=as_json)
                raise
        result = _result(looked.sweep, opened.path, runs)
    _print(result, console, as_json=as_json)
    write_best(looked.sweep, result)
    if result.progress.succeeded == 0:
        logs = log_of(opened.path, 0, os.environ)
        raise RunFailed(
            "no trial of the sweep has finished" + last_error(logs), where=str(logs), remedy="the log has the rest"
        )


def _show(identifier: str | None, runs: Path, console: Terminal, *, as_json: bool) -> None:
    """What a sweep has come to, however it was begun."""
    from kag.cli.sweep_agents import interruptible
    from kag.cli.sweep_result import write_best
    from kag.cli.sweep_tracking import connected, find_path, kept, sweep_on_server
    from kag.cli.tracking import configured, require_tracked

    if identifier is None:
        raise UserError("no sweep named", remedy="kag sweep show ID")
    path = find_path(identifier, kept(runs))
    if not configured():
        require_tracked(runs)
    with interruptible(), connected(runs):
        sweep = sweep_on_server(path)
        result = _result(sweep, path, runs)
    _print(result, console, as_json=as_json)
    write_best(sweep, result)


def is_sweep(file: Path) -> bool:
    """Whether a YAML file is a sweep: it has `parameters`, which no run spec has."""
    from kag.spec.text import read_yaml

    return "parameters" in read_yaml(file).tree


def check_sweep(file: Path, overrides: Sequence[str], *, as_json: bool = False) -> None:
    """Say what a sweep would run: trials, epochs with and without forks, and preflight's findings summed up.

    Raises:
        SweepError: it breaks W&B's schema, what its base spec allows, or what preflight refuses.
    """
    if overrides:
        raise UserError("a sweep takes no overrides", where=str(file), remedy="change its file, or its base spec")
    looked = look(file)
    if as_json:
        answer(looked.page())
    else:
        print_whole(terminal(), looked.table())
    looked.refuse(data=False)


class Looked(NamedTuple):
    """A sweep file that is sound, and what it would run."""

    file: Path
    sweep: Sweep
    plan: Plan | None = None
    """What its points mean for their base spec; None where another program than `kag train` reads them."""
    data: Path | None = None
    """File that every trial reads; None where that is a parameter, or unknown."""

    def table(self) -> RenderableType:
        """For a terminal."""
        return outline_table(self.sweep) if self.plan is None else plan_table(self.plan)

    def page(self) -> object:
        """For programs."""
        if self.plan is not None:
            return self.plan
        known = self.sweep.model_dump(mode="json", include={"method", "program", "command"})
        return {**known, "trials": self.sweep.trial_count()}

    def refuse(self, *, data: bool = True) -> None:
        """Raise a `UserError` where no trial could begin; looks for the data file, too, unless told not to."""
        if self.plan is None:
            from kag.cli.programs import environment_for

            environment_for(self.sweep, self.file, os.environ)
            return
        listed = [f"{one.code} at {one.points} of {self.plan.points} points: {one.example}" for one in self.plan.errors]
        if listed:
            text = "\n  ".join(["kag train would refuse some trials", *listed])
            raise SweepError(text, where=str(self.file), remedy="narrow the ranges, or change the base spec")
        if data and self.data is not None and not self.data.is_file():
            remedy = "correct data.file in the base spec, or name it in the sweep's command: data.file=FILE"
            raise DataError("there is no such file, which every trial would read", where=str(self.data), remedy=remedy)


def look(file: Path) -> Looked:
    """Read a sweep file and see what it means.

    Raises:
        SweepError: it breaks W&B's schema; or its command is `kag train`, and names no base spec or breaks what that
            allows.
    """
    from kag.spec import Facts
    from kag.spec.load import problem_list, read_spec
    from kag.spec.retired import retired_in
    from kag.sweep import read_sweep, violations
    from kag.sweep.command import train_command, trains
    from kag.sweep.plan import plan

    parsed = read_sweep(file)
    if not trains(parsed):
        return Looked(file, parsed)
    command, leaves = train_command(parsed, where=str(file)), parsed.leaves()
    base, retired = read_spec(Path(command.spec), command.overrides, trial=True)
    problems = violations(parsed, base)
    if problems:
        raise SweepError(problem_list(problems), where=str(file))
    facts = Facts(retired=tuple(dict.fromkeys((*retired, *retired_in(leaves)))))
    data = None if "data.file" in leaves else Path(base.data.file)
    return Looked(file, parsed, plan(parsed, base, command, facts), data)


def _run(
    looked: Looked,
    path: str,
    tracking: Tracking,
    shares: Sequence[int | None],
    runs: Path,
    console: Terminal,
    check: Callable[[], None],
) -> None:
    """Run the agents to their end."""
    from kag.cli.programs import environment_for, whose_python
    from kag.cli.sweep_agents import running_agents
    from kag.cli.sweep_watch import Watched, watch

    environment = environment_for(looked.sweep, looked.file, tracking.environment)
    for line in whose_python(environment, os.environ) if looked.plan is None else ():
        console.say(line)
    own = looked.plan is not None
    with running_agents(path, environment, shares, tracking.embedded, own=own) as started:
        most = None if None in shares else sum(share or 0 for share in shares)
        watch(Watched(looked.sweep, path), runs, started, most, console, check)


def _result(sweep: Sweep, path: str, runs: Path) -> SweepResult:
    """What it has come to."""
    from kag.cli.sweep_result import read_result
    from kag.cli.sweep_tracking import trials_of

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
