"""A sweep file, looked at before anything runs: the sweep side of `kag check`, and the beginning of `kag sweep`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import RenderableType

from kag.cli.fitted import print_whole, terminal
from kag.cli.sweep_tables import outline_table, plan_table
from kag.errors import DataError, SweepError, UserError
from kag.view.terminal import answer

if TYPE_CHECKING:
    from kag.sweep import Sweep
    from kag.sweep.plan import Plan


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
