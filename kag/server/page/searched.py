"""A sweep as its page shows it: how far it is, its trials by name, its pictures, and what its agents did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, RowMapping

from kag.compare.best_trial import best_trial
from kag.compare.comparison import not_comparable
from kag.report.figure import as_json
from kag.report.search_figures import Worked, slices, timeline
from kag.report.sweep_figures import sweep_figures
from kag.server.faults import needed
from kag.server.page.at_work import worked
from kag.server.page.drawn import drawn
from kag.server.page.held import Held
from kag.server.page.site import Shelf
from kag.server.sweeps import by_name, sweep_of
from kag.server.trials import trials_of
from kag.sweep import Sweep, SweepState, Trial
from kag.sweep.progress import points_left
from kag.text import MISSING, column
from kag.track.objective import sweep_title
from kag.view.results import measured_column
from kag.view.trials import trial_name


@dataclass(frozen=True)
class Searched:
    """A sweep with its trials."""

    shelf: Shelf
    row: RowMapping
    sweep: Sweep
    trials: Sequence[Trial]
    worked: Mapping[str, Worked]
    """Name of an agent -> what it has done."""

    @classmethod
    def of(cls, shelf: Shelf, connection: Connection, name: str) -> Searched:
        """The sweep of a name, else NotFound."""
        row = sweep_row(connection, shelf, name)
        found, parsed = trials_of(connection, row["id"]), sweep_of(row["config"])
        title = sweep_title(row["name"], row["display_name"], parsed.name)
        known, names = {run.name: run for run in shelf.runs}, {one.id: trial_name(title, one.id) for one in found}
        did = worked(connection, row["id"], known, {one.id: one for one in found}, names)
        return cls(shelf, row, parsed, found, did)

    @property
    def title(self) -> str:
        """What it is called."""
        return sweep_title(self.row["name"], self.row["display_name"], self.sweep.name)

    def name_of(self, trial: Trial) -> str:
        """What a trial is called."""
        return trial_name(self.title, trial.id)

    @cached_property
    def runs(self) -> Mapping[str, Held]:
        """The runs of the project, by W&B's id."""
        return {run.name: run for run in self.shelf.runs}

    def progress(self, since: float) -> dict[str, Any]:
        """How far it is.

        Args:
            since: agents that were heard of later are at work, in seconds since the epoch.
        """
        runs, trials, parsed = self.runs, self.trials, self.sweep
        records = {run.name: run.record for run in self.shelf.runs if run.row["sweep_id"] == self.row["id"]}
        top = best_trial(parsed, trials, records)
        best_run = runs.get(top.run or "") if top else None
        judged = [trial.run for trial in trials if trial.run is not None and trial.result is not None]
        return {
            "state": self.row["state"],
            "counts": Counter(trial.state.value for trial in trials),
            "total": parsed.trial_count(),
            "tried": len(trials),
            "over": sum(trial.state.over for trial in trials),
            "left": self._left(since),
            "metric": parsed.metric,
            "best": top,
            "best_name": self.name_of(top) if top else None,
            "best_link": self.shelf.address(best_run) if best_run else None,
            "varied": list(parsed.varied()),
            "not_comparable": not_comparable([runs[one].record for one in judged if one in runs]),
        }

    def _left(self, since: float) -> float | None:
        """Seconds until its points end, while it goes on."""
        if self.row["state"] not in (SweepState.RUNNING, SweepState.PENDING):
            return None
        ended = [self.runs.get(trial.run or "") for trial in self.trials if trial.state.over and not trial.prior]
        seconds = [run.seconds for run in ended if run is not None]
        holders = {trial.agent for trial in self.trials if not trial.state.over}
        at_work = sum(name in holders and one.end > since for name, one in self.worked.items())
        return points_left(self.sweep.trial_count(), self.trials, seconds, at_work)

    def answer(self, *, version: str) -> dict[str, Any]:
        """What a script is told of the trials."""
        parsed = self.sweep
        return {
            "seen": version,
            "metric": parsed.metric.name if parsed.metric else None,
            "goal": parsed.metric.goal if parsed.metric else None,
            "keys": list(parsed.varied()),
            "trials": [
                self._shown(trial) | {"texts": texts} for trial, texts in zip(self.trials, self._texts(), strict=True)
            ],
        }

    def figures(self) -> dict[str, list[dict[str, Any]]]:
        """The pictures, by the part of the page in which they stand."""
        over_time = timeline(list(self.worked.values()))
        return {
            "figures": [drawn(figure) for figure in sweep_figures(self.sweep, self.trials, self.name_of)],
            "slices": [as_json(figure) for figure in slices(self.sweep, self.trials, self.name_of)],
            "timeline": [] if over_time is None else [as_json(over_time)],
        }

    @property
    def version(self) -> str:
        """The sweep's own last change, and how many of its runs there are: a run begins behind its trial."""
        return f"{self.row['changed']}-{sum(run.row['sweep_id'] == self.row['id'] for run in self.shelf.runs)}"

    def _texts(self) -> list[tuple[str, ...]]:
        """Result and parameters of every trial, each column by one rule."""
        parsed, tried = self.sweep, self.trials
        results = measured_column(parsed.metric.name if parsed.metric else "", [trial.result for trial in tried])
        params = [column([trial.params.get(key, MISSING) for trial in tried]) for key in parsed.varied()]
        return list(zip(results, *params, strict=True))

    def _shown(self, trial: Trial) -> dict[str, Any]:
        run = self.runs.get(trial.run or "")
        return {
            "id": trial.id,
            "name": self.name_of(trial),
            "state": trial.state.value,
            "run": trial.run if run is not None else None,
            "title": run.title if run is not None and run.is_named else None,
            "result": _finite(trial.result),
            "steps": len(trial.history),
            "params": [_finite(trial.params.get(key)) for key in self.sweep.varied()],
        }


def sweep_row(connection: Connection, shelf: Shelf, name: str) -> RowMapping:
    """The sweep of a name, else NotFound."""
    return needed(by_name(connection, shelf.row["id"], name), f"no sweep {name!r} in {'/'.join(shelf.names)}")


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity; a ramp is shown as its text."""
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return json.dumps(value) if isinstance(value, (dict, list)) else value
