"""Sweeps: the list, and one search with its trials, its pictures and the buttons that steer it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select
from starlette.responses import Response

from kag.compare.best_trial import best_trial
from kag.compare.comparison import not_comparable
from kag.report.sweep_figures import sweep_figures
from kag.server.audit import note
from kag.server.faults import Fault, needed
from kag.server.page.drawn import drawn
from kag.server.page.held import Held
from kag.server.page.responses import data, moved, nothing_new
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.rights import Act, ask
from kag.server.store import all_rows
from kag.server.sweeps import by_name, edit, sweep_of, sweeps_of
from kag.server.tables import agents
from kag.server.things import sweep_thing
from kag.server.trials import trials_of
from kag.sweep import Sweep, SweepState, Trial
from kag.text import MISSING, column
from kag.view.results import measured_column

ACTIONS = {
    "pause": SweepState.PAUSED,
    "resume": SweepState.RUNNING,
    "stop": SweepState.FINISHED,
    "cancel": SweepState.CANCELED,
}
"""Button -> state, as `wandb sweep --pause` and its like have it."""

OFFERED = {
    SweepState.PENDING: ("pause", "stop", "cancel"),
    SweepState.RUNNING: ("pause", "stop", "cancel"),
    SweepState.PAUSED: ("resume", "stop", "cancel"),
    SweepState.FINISHED: ("resume", "cancel"),
    SweepState.CANCELED: (),
}
"""State -> buttons that lead on from there."""


def sweep_list(site: Site, visit: Visit) -> Response:
    """Every sweep of a project, the newest first."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = [_listed(connection, shelf.runs, row) for row in sweeps_of(connection, shelf.row["id"])]
    return site.page("sweeps.html", visit, shelf=shelf, section="sweeps", sweeps=found)


def sweep(site: Site, visit: Visit) -> Response:
    """One sweep without its pictures, which a script fetches: what they rest on takes a while to load."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        row = sweep_row(connection, shelf, visit.word)
        searching = all_rows(connection, select(agents).where(agents.c.sweep_id == row["id"]).order_by(agents.c.id))
        tried = trials_of(connection, row["id"])
    parsed = sweep_of(row["config"])
    progress = _progress(shelf, row, parsed, tried)
    return site.page(
        "sweep.html",
        visit,
        shelf=shelf,
        section="sweeps",
        row=row,
        sweep=parsed,
        buttons=() if progress["over"] == progress["total"] else OFFERED[SweepState(row["state"])],
        agents=[{**one, "word": _word(one, row, visit.now - site.settings.limits.lease)} for one in searching],
        progress=site.text("progress.html", **progress),
        answer=_answer(shelf, parsed, tried, version=""),
    )


def trials(site: Site, visit: Visit) -> Response:
    """What the page shows, unless nothing is new."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        row = sweep_row(connection, shelf, visit.word)
        tried = trials_of(connection, row["id"])
    parsed = sweep_of(row["config"])
    version = _version(row, shelf)
    if visit.query.get("seen") == version:
        return nothing_new()
    shown = {
        "progress": site.text("progress.html", **_progress(shelf, row, parsed, tried)),
        "figures": [drawn(figure) for figure in sweep_figures(parsed, tried)],
    }
    return data(_answer(shelf, parsed, tried, version=version) | shown)


def set_state(site: Site, visit: Visit) -> Response:
    """Pause, resume, stop or cancel a sweep.

    Raises:
        Fault: no such action, or the sweep has ended for good, or the key may not.
    """
    action = ACTIONS.get(visit.form.get("action", ""))
    if action is None:
        raise Fault(f"a sweep can be told to {', '.join(ACTIONS)}")
    with site.store.write() as connection:
        shelf = Shelf.of(site, connection, visit)
        row = sweep_row(connection, shelf, visit.word)
        thing = sweep_thing(connection, row)
        ask(visit.key, Act.CHANGE, thing)
        edit(site.context(connection, visit), row["id"], {"state": action.value})
        note(connection, visit.key.name, "upsertSweep", thing, now=visit.now, detail=action.value.lower())
    return moved(site.address(*shelf.names, "sweeps", row["name"]))


def sweep_row(connection: Connection, shelf: Shelf, name: str) -> RowMapping:
    """The sweep of a name, else NotFound."""
    return needed(by_name(connection, shelf.row["id"], name), f"no sweep {name!r} in {'/'.join(shelf.names)}")


def _listed(connection: Connection, runs: Sequence[Held], row: RowMapping) -> dict[str, Any]:
    parsed, tried = sweep_of(row["config"]), trials_of(connection, row["id"])
    top = best_trial(parsed, tried, {run.name: run.record for run in runs if run.row["sweep_id"] == row["id"]})
    return {
        **row,
        "sweep": parsed,
        "title": row["display_name"] or parsed.name or row["name"],
        "counts": Counter(trial.state.value for trial in tried),
        "trials": len(tried),
        "best": top.result if top else None,
    }


def _progress(shelf: Shelf, row: RowMapping, parsed: Sweep, tried: Sequence[Trial]) -> dict[str, Any]:
    wanted = [count for count in (parsed.size(), parsed.run_cap) if count is not None]
    known = {run.name: run for run in shelf.runs}
    top = best_trial(parsed, tried, {run.name: run.record for run in shelf.runs if run.row["sweep_id"] == row["id"]})
    judged = [trial.run for trial in tried if trial.run is not None and trial.result is not None]
    return {
        "state": row["state"],
        "counts": Counter(trial.state.value for trial in tried),
        "total": min(wanted) if wanted else None,
        "tried": len(tried),
        "over": sum(trial.state.over for trial in tried),
        "metric": parsed.metric,
        "best": top,
        "best_link": shelf.address(known[top.run]) if top and top.run in known else None,
        "varied": list(parsed.varied()),
        "not_comparable": not_comparable([known[one].record for one in judged if one in known]),
    }


def _answer(shelf: Shelf, parsed: Sweep, tried: Sequence[Trial], *, version: str) -> dict[str, Any]:
    known = {run.name: run for run in shelf.runs}
    return {
        "seen": version,
        "metric": parsed.metric.name if parsed.metric else None,
        "goal": parsed.metric.goal if parsed.metric else None,
        "keys": list(parsed.varied()),
        "trials": [
            _shown(trial, known[trial.run].short if trial.run in known else None, parsed) | {"texts": texts}
            for trial, texts in zip(tried, _texts(parsed, tried), strict=True)
        ],
    }


def _texts(parsed: Sweep, tried: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Result and parameters of every trial, each column by one rule."""
    results = measured_column(parsed.metric.name if parsed.metric else "", [trial.result for trial in tried])
    params = [column([trial.params.get(key, MISSING) for trial in tried]) for key in parsed.varied()]
    return list(zip(results, *params, strict=True))


def _shown(trial: Trial, title: str | None, parsed: Sweep) -> dict[str, Any]:
    return {
        "id": trial.id,
        "state": trial.state.value,
        "run": trial.run if title is not None else None,
        "title": title,
        "result": _finite(trial.result),
        "steps": len(trial.history),
        "params": [_finite(trial.params.get(key)) for key in parsed.varied()],
    }


def _finite(value: Any) -> Any:
    """JSON has neither NaN nor infinity; a ramp is shown as its text."""
    if isinstance(value, float) and value - value != 0.0:
        return str(value)
    return json.dumps(value) if isinstance(value, (dict, list)) else value


def _version(row: RowMapping, shelf: Shelf) -> str:
    """The sweep's own last change, and how many of its runs there are: a run begins behind its trial."""
    return f"{row['changed']}-{sum(run.row['sweep_id'] == row['id'] for run in shelf.runs)}"


def _word(agent: RowMapping, sweep: RowMapping, since: float) -> str:
    """An agent does not say that it leaves: one that is not heard of is missed while there is work, and only then."""
    if agent["heartbeat_at"] > since:
        return "alive"
    return "ended" if sweep["state"] in (SweepState.FINISHED, SweepState.CANCELED) else "silent"
