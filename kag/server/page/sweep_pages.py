"""Sweeps: the list, and one search with its trials, its pictures and the buttons that steer it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping
from starlette.responses import Response

from kag.compare.best_trial import best_trial
from kag.server.audit import note
from kag.server.faults import Fault
from kag.server.page.at_work import agents_of
from kag.server.page.held import Held
from kag.server.page.responses import data, moved, nothing_new
from kag.server.page.searched import Searched, sweep_row
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.rights import Act, ask
from kag.server.sweeps import edit, sweep_of, sweeps_of
from kag.server.things import sweep_thing
from kag.server.trials import trials_of
from kag.sweep import SweepState
from kag.track.objective import sweep_title

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
        found = Searched.of(shelf, connection, visit.word)
        searching = agents_of(connection, found.row["id"])
    row, since = found.row, visit.now - site.settings.limits.lease
    progress = found.progress(since)
    return site.page(
        "sweep.html",
        visit,
        shelf=shelf,
        section="sweeps",
        row=row,
        sweep=found.sweep,
        title=found.title,
        buttons=() if progress["over"] == progress["total"] else OFFERED[SweepState(row["state"])],
        agents=[(one, found.worked[one["name"]], _word(one, row, since)) for one in searching],
        progress=site.text("progress.html", **progress),
        answer=found.answer(version=""),
    )


def trials(site: Site, visit: Visit) -> Response:
    """What the page shows, unless nothing is new."""
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        found = Searched.of(shelf, connection, visit.word)
    if visit.query.get("seen") == found.version:
        return nothing_new()
    progress = site.text("progress.html", **found.progress(visit.now - site.settings.limits.lease))
    return data(found.answer(version=found.version) | {"progress": progress} | found.figures())


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


def _listed(connection: Connection, runs: Sequence[Held], row: RowMapping) -> dict[str, Any]:
    parsed, tried = sweep_of(row["config"]), trials_of(connection, row["id"])
    top = best_trial(parsed, tried, {run.name: run.record for run in runs if run.row["sweep_id"] == row["id"]})
    return {
        **row,
        "sweep": parsed,
        "title": sweep_title(row["name"], row["display_name"], parsed.name),
        "counts": Counter(trial.state.value for trial in tried),
        "trials": len(tried),
        "best": top.result if top else None,
    }


def _word(agent: RowMapping, sweep: RowMapping, since: float) -> str:
    """An agent does not say that it leaves: one that is not heard of is missed while there is work, and only then."""
    if agent["heartbeat_at"] > since:
        return "alive"
    return "ended" if sweep["state"] in (SweepState.FINISHED, SweepState.CANCELED) else "silent"
