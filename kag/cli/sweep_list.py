"""`kag sweep list`: the sweeps that were made here, or all of a project on a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.markup import escape
from rich.table import Table

from kag.cli.fitted import fitted, plain_table, print_whole, terminal
from kag.cli.sweep_fleet import Runs
from kag.errors import SweepError, UserError
from kag.text import MISSING, age
from kag.view.results import measured
from kag.view.terminal import answer, echo

if TYPE_CHECKING:
    from kag.sweep.progress import Progress

COLUMNS = ("sweep", "name", "method", "state", "trials", "best", "made")
_SPARED = ("method", "name", "made", "best", "trials")
"""Columns that a narrow terminal goes without, the least needed first."""


class Listed(NamedTuple):
    """A sweep as its server has it."""

    path: str
    """`entity/project/id`."""
    name: str
    method: str
    state: str
    made: datetime
    progress: Progress | None
    """None where its config cannot be read."""

    def page(self) -> dict[str, Any]:
        """The same for programs."""
        now = self.progress
        best = now.best if now else None
        return {
            "sweep": self.path,
            "name": self.name,
            "method": self.method,
            "state": self.state,
            "made": self.made,
            "expected": now.expected if now else None,
            "trials": {state.value: count for state, count in sorted(now.states.items())} if now else None,
            "best": best and {"run": best.run, "metric": now and now.metric, "value": best.result},
        }


def list_sweeps(
    project: Annotated[
        str | None, typer.Argument(metavar="ENTITY/PROJECT", help="All of its sweeps; else those made here.")
    ] = None,
    runs: Runs = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List sweeps, oldest first: method, state, trials that have ended, the best value so far.

    Examples:

      kag sweep list

      kag sweep list team/sites --json
    """
    from kag.cli.sweep_agents import interruptible
    from kag.cli.sweep_tracking import connected, kept
    from kag.cli.tracking import configured, require_tracked

    if project is not None and project.count("/") != 1:
        raise UserError(f"{project!r} names no project", remedy="write ENTITY/PROJECT, or nothing: those made here")
    if not configured():
        require_tracked(runs)
    made_here = sorted(set(kept(runs).values()))
    with interruptible(), connected(runs):
        projects = [project] if project else sorted({path.rsplit("/", 1)[0] for path in made_here})
        there = {path: node for one in projects for path, node in _nodes(one).items()}
        chosen = there if project else {path: there[path] for path in made_here if path in there}
        faults: list[str] = []
        found = sorted((_listed(path, node, faults) for path, node in chosen.items()), key=lambda one: one.made)
    if as_json:
        answer([one.page() for one in found])
    elif found:
        console = terminal()
        table = _table(found, datetime.now(UTC))
        print_whole(console, fitted(table, console.width, _SPARED).group(console.width))
    else:
        echo(f"no sweeps in {project}" if project else f"no sweeps were made in {runs}; `kag sweep FILE` makes one")
    gone = [] if project else [path for path in made_here if path not in there]
    for said in (*faults, *([f"not on this server: {', '.join(gone)}"] if gone else [])):
        echo(said, err=True)


def _nodes(project: str) -> Mapping[str, Mapping[str, Any]]:
    """Path -> what the server says of each sweep of a project; nothing where it has no such project."""
    import wandb

    from kag.track.wandb_beside import sweeps
    from kag.track.wandb_private import REFUSED

    try:
        return {f"{project}/{name}": node for name, node in sweeps(wandb.Api(), project).items()}
    except REFUSED as error:
        raise UserError(f"the server does not list sweeps: {error}", where=project) from error


def _listed(path: str, node: Mapping[str, Any], faults: list[str]) -> Listed:
    from kag.cli.sweep_tracking import trials_of
    from kag.sweep import parse_sweep
    from kag.sweep.progress import progress

    made = datetime.fromisoformat(node["createdAt"])
    one = Listed(
        path=path,
        name=node["displayName"] or MISSING,
        method=MISSING,
        state=str(node["state"]).lower(),
        made=made if made.tzinfo else made.replace(tzinfo=UTC),
        progress=None,
    )
    try:
        sweep = parse_sweep(_tree(node["config"]), title=path)
    except SweepError as error:
        faults.append(f"{path}: {error}")
        return one
    now = progress(sweep, trials_of(sweep, path), None)
    return one._replace(name=sweep.name or one.name, method=sweep.method, progress=now)


def _tree(config: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(config)
    except yaml.YAMLError as error:
        raise SweepError(f"its config cannot be read: {error}") from error


def _table(found: Sequence[Listed], now: datetime) -> Table:
    table = plain_table(*COLUMNS, right=("trials", "best"))
    for one in found:
        table.add_row(*map(escape, _cells(one, now)))
    return table


def _cells(one: Listed, now: datetime) -> Iterable[str]:
    stands, best = one.progress, one.progress.best if one.progress else None
    ended = MISSING if stands is None else f"{stands.ended}/{MISSING if stands.expected is None else stands.expected}"
    value = measured(stands.metric, best.result) if stands and best else MISSING
    return one.path, one.name, one.method, one.state, ended, value, age((now - one.made).total_seconds())
