"""Runs that were there before a sweep and belong to it from its start: `wandb sweep --prior_run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from kag.number import number
from kag.server.arguments import items, json_object
from kag.server.context import Context
from kag.server.faults import NotFound, Refused
from kag.server.filters import RunView
from kag.server.rights import Act
from kag.server.run_list import RunList
from kag.server.sweeps import look_anew, sweep_of
from kag.server.tables import runs
from kag.server.things import run_thing
from kag.server.trials import save_trials, trials_of
from kag.sweep import Sweep, Trial, TrialState
from kag.sweep.distribution import Constant, Distribution, Listed
from kag.sweep.position import position

LIVING = ("pending", "running", "preempting")
"""States of a run that has no result yet."""


def adopt(context: Context, row: RowMapping, filters: Any) -> None:
    """Make runs of the project runs of a sweep, and their results what its search begins with.

    A run whose settings the search could not come to is one of the sweep's runs, and tells the search nothing.

    Raises:
        NotFound: no run fits, or none fits one of the filters that `$or` lists.
        Refused: one of them has not ended, so it has no result yet, and may be a trial of another sweep.
        Forbidden: one of them belongs to another key.
    """
    wanted = json_object("priorRunsFilters", filters)
    for one in items(wanted, "$or", dict) or [wanted]:
        if not RunList(context, row["project_id"], one).count():
            raise NotFound(f"no run of this project fits {one!r}, which the sweep is to begin with")
    fitting = RunList(context, row["project_id"], wanted).page(seen=[], first=None)
    views = [RunView(run, context.shown_state(run)) for run in fitting.rows]
    found = [view for view in views if view.row["sweep_id"] != row["id"]]
    for view in found:
        context.ask(Act.CHANGE, run_thing(context.connection, view.row))
        if view.state in LIVING:
            raise Refused(f"the run {view.row['name']!r} is {view.state}: a sweep can begin with runs that have ended")
    numbers = [view.row["id"] for view in found]
    context.connection.execute(runs.update().where(runs.c.id.in_(numbers)).values(sweep_id=row["id"]))
    sweep = sweep_of(row["config"])
    known = trials_of(context.connection, row["id"])
    told = [(view, point) for view in found if (point := _point(sweep, view)) is not None]
    trials = [_trial(sweep, place, view, point) for place, (view, point) in enumerate(told, len(known))]
    save_trials(context.connection, row["id"], known, [*known, *trials])
    look_anew(context.connection, row["id"])


def _point(sweep: Sweep, view: RunView) -> dict[str, Any] | None:
    point = {key: view.get(f"config.{key}")[1] for key in sweep.leaves()}
    return point if all(_holds(leaf, point[key]) for key, leaf in sweep.leaves().items()) else None


def _holds(leaf: Distribution, value: Any) -> bool:
    """Whether a search could come to a value of a parameter, but for rounding."""
    ends = leaf.extremes()
    if isinstance(leaf, (Constant, Listed)):
        return position(ends, value) is not None
    found = None if isinstance(value, str) else number(value)
    return found is not None and ends[0] <= found <= ends[-1]


def _trial(sweep: Sweep, place: int, view: RunView, point: Mapping[str, Any]) -> Trial:
    found = view.get(f"summary.{sweep.metric.name}")[1] if sweep.metric else None
    state = TrialState.FAILED if view.state in ("failed", "crashed") else TrialState.FINISHED
    return Trial(id=place, params=dict(point), state=state, value=number(found), run=view.row["name"])
