"""Runs that were there before a sweep and belong to it from its start: `wandb sweep --prior_run`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from kag.number import number
from kag.server.arguments import json_object
from kag.server.context import Context
from kag.server.faults import NotFound
from kag.server.filters import RunView
from kag.server.run_list import RunList
from kag.server.sweeps import save_trials, sweep_of
from kag.server.tables import runs
from kag.sweep import Sweep, Trial, TrialState
from kag.sweep.distribution import Constant, Distribution, Listed


def adopt(context: Context, row: RowMapping, filters: Any) -> None:
    """Make runs of the project the first runs of a new sweep, and their results what its search begins with.

    A run whose settings the search could not come to is one of the sweep's runs, and tells the search nothing.

    Raises:
        NotFound: no run fits, or none fits one of the filters that `$or` lists.
    """
    wanted = json_object("priorRunsFilters", filters)
    for one in wanted.get("$or") or [wanted]:
        if not RunList(context, row["project_id"], one).count():
            raise NotFound(f"no run of this project fits {one!r}, which the sweep is to begin with")
    fitting = RunList(context, row["project_id"], wanted).page(seen=[], first=None)
    found = [RunView(run, context.shown_state(run)) for run in fitting.rows]
    numbers = [view.row["id"] for view in found]
    context.connection.execute(runs.update().where(runs.c.id.in_(numbers)).values(sweep_id=row["id"]))
    sweep = sweep_of(row["config"])
    told = [pair for pair in ((view, _point(sweep, view)) for view in found) if pair[1] is not None]
    trials = [_trial(sweep, place, view, point) for place, (view, point) in enumerate(told) if point is not None]
    save_trials(context.connection, row, (), trials)


def _point(sweep: Sweep, view: RunView) -> dict[str, Any] | None:
    point = {key: view.get(f"config.{key}")[1] for key in sweep.leaves()}
    return point if all(_holds(leaf, point[key]) for key, leaf in sweep.leaves().items()) else None


def _holds(leaf: Distribution, value: Any) -> bool:
    """Whether a search could come to a value of a parameter, but for rounding."""
    ends = leaf.extremes()
    if isinstance(leaf, (Constant, Listed)):
        return any(type(one) is type(value) and one == value for one in ends)
    found = None if isinstance(value, str) else number(value)
    return found is not None and ends[0] <= found <= ends[-1]


def _trial(sweep: Sweep, place: int, view: RunView, point: Mapping[str, Any]) -> Trial:
    found = view.get(f"summary.{sweep.metric.name}")[1] if sweep.metric else None
    state = TrialState.FAILED if view.state in ("failed", "crashed") else TrialState.FINISHED
    return Trial(id=place, params=dict(point), state=state, value=number(found), run=view.row["name"])
