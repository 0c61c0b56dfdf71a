"""Everything that another tracker has of a project into a server: what is new each time, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kag.errors import KagError, NotTaken
from kag.transfer.facts import Origin, RunFacts
from kag.transfer.runs import Brought, Lines, fill, make
from kag.transfer.sweeps import bring_sweeps
from kag.transfer.target import Target
from kag.transfer.versions import Versions
from kag.transfer.wandb_origin import WandbOrigin

if TYPE_CHECKING:
    from kag.view.progress import Report as Progress


@dataclass
class Carried:
    """What has come of it."""

    runs: int = 0
    new: int = 0
    grown: int = 0
    """Runs that were there and lacked something."""
    rows: int = 0
    files: int = 0
    versions: int = 0
    sweeps: int = 0
    left: list[str] = field(default_factory=list)
    """What could not be taken, each with why."""
    remarks: Sequence[str] = ()
    """What could be taken in part only."""

    def leave(self, what: str, error: KagError) -> None:
        """Note what could not be taken."""
        self.left.append(f"{what}: {error.what}")

    def add(self, brought: Brought, *, made: bool) -> None:
        """Count a run."""
        self.new += made
        self.grown += brought.anything and not made
        self.rows += brought.rows
        self.files += brought.files

    def __str__(self) -> str:
        parts = [_counted(self.rows, "row"), _counted(self.files, "file")]
        parts += [
            _counted(count, what) for count, what in ((self.versions, "version"), (self.sweeps, "sweep")) if count
        ]
        same = self.runs - self.new - self.grown
        return (
            f"{_counted(self.runs, 'run')}: {self.new} new, {self.grown} went on, {same} as before; {', '.join(parts)}"
        )


def carry(origin: Origin, target: Target, tell: Progress) -> Carried:
    """Bring runs with all that they have to a server. Killed at any moment, another call goes on from there.

    Args:
        origin: where they are.
        target: where they go.
        tell: shown how far it is.

    Raises:
        NotTaken: origin or target do not answer at all. What one run or artifact lacks is in what comes back.
    """
    carried = Carried()
    versions = None
    if isinstance(origin, WandbOrigin):
        from kag.transfer.artifact_content import WandbContent

        carried.sweeps = bring_sweeps(target, origin, carried.leave)
        versions = Versions(target, origin, WandbContent(origin.api))
    made = _made(origin, target, carried, tell)
    if versions is not None:
        done = iter(range(1, 10**9))
        carried.versions = versions.bring(carried.leave, lambda: tell("artifacts", next(done), None))
    _filled(origin, target, made, carried, tell, (lambda lines: lines) if versions is None else versions.introduce)
    if isinstance(origin, WandbOrigin):
        bring_sweeps(target, origin, lambda what, error: None)
    carried.remarks = origin.remarks()
    return carried


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


Made = list[tuple[RunFacts, bool]]
"""Runs that are there now, and whether they are new."""


def _made(origin: Origin, target: Target, carried: Carried, tell: Progress) -> Made:
    """Every run, before anything that names runs: artifacts and sweeps do."""
    found: Made = []
    for run in origin.run_facts():
        carried.runs += 1
        try:
            found.append((run, make(target, run)))
        except NotTaken as error:
            carried.leave(f"run {run.id}", error)
        tell("runs", carried.runs, None)
    return found


def _filled(origin: Origin, target: Target, made: Made, carried: Carried, tell: Progress, look: Lines) -> None:
    rows = 0

    def count(sent: int) -> None:
        nonlocal rows
        rows += sent
        tell("rows", rows, None)

    for place, (run, is_new) in enumerate(made, start=1):
        brought = Brought()
        try:
            list(look(iter([json.dumps(run.summary)])))
            brought = fill(target, origin, run, count, look)
        except NotTaken as error:
            carried.leave(f"run {run.id}", error)
        carried.add(brought, made=is_new)
        tell("streams and files", place, len(made))
