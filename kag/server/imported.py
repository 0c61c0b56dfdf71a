"""What another server knew of a run, a sweep or a version of an artifact, kept as it was there: for `kag import`.

W&B's own calls take the clock of the server for every time, and give sweeps and versions new names and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping

from kag.server import artifacts
from kag.server.arguments import entity_of, text
from kag.server.begin import ENDED
from kag.server.context import Context, decode_id
from kag.server.faults import Fault, Refused
from kag.server.rights import Act
from kag.server.runs import checked_name, ensure_project, run_by_id
from kag.server.store import find, inserted, updated
from kag.server.sweeps import TEXTS, look_anew, sweep_of
from kag.server.tables import COMMITTED, collections, runs, sweeps
from kag.server.tables import artifacts as artifact_table
from kag.server.things import sweep_thing
from kag.sweep import SweepState

STATES = ("pending", "running", "preempting", "crashed", *ENDED)
"""That are kept. One that crashed elsewhere has crashed, however long this server has been there to hear of it."""


def restate_run(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """Say of a run when it began, when it was last heard of and how it ended.

    Raises:
        NotFound: no such run.
        Fault: a time is none, or the state.
    """
    row = run_by_id(context.connection, decode_id("Run", given.get("id")), lock=True)
    changes: dict[str, Any] = _moments(given, createdAt="created_at", heartbeatAt="heartbeat_at")
    state = text(given, "state")
    if state is not None:
        if state not in STATES:
            raise Fault(f"no state {state!r} of a run; there are {', '.join(STATES)}")
        changes |= {"state": state, "exit_code": given.get("exitcode")}
    return updated(context.connection, runs, row["id"], changes) if changes else row


def restate_sweep(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A sweep with the name that it has elsewhere, made if there is none.

    Raises:
        Refused: its config is none that kag knows, or another project has a sweep of this name.
        Fault: a time is none, or the state.
    """
    sweep_of(given["config"])
    project = ensure_project(context.connection, entity_of(context, given), given.get("projectName"), now=context.now)
    name = checked_name("sweep", given.get("name"))
    found = find(context.connection, sweeps, lock=True, name=name)
    if found is not None and found["project_id"] != project["id"]:
        raise Refused(f"another project of this server has a sweep {name!r}")
    try:
        state = SweepState(str(given.get("state")).upper()).value
    except ValueError:
        raise Fault(f"no sweep state {given.get('state')!r}; there are {', '.join(SweepState)}") from None
    changes = {"config": given["config"], "state": state}
    changes |= {column: text(given, field) for field, column in TEXTS.items()}
    changes |= _moments(given, createdAt="created_at", updatedAt="updated_at")
    if found is not None:
        context.ask(Act.CHANGE, sweep_thing(context.connection, found))
        look_anew(context.connection, found["id"])
        return updated(context.connection, sweeps, found["id"], changes)
    row = {"project_id": project["id"], "name": name, "seed": 0, "user": context.user}
    times = dict.fromkeys(("created_at", "updated_at"), context.now)
    return inserted(context.connection, sweeps, {**row, **times, **changes})


def number_version(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """Say of a version that waits for its files when it was made, and which number it is to get.

    Raises:
        NotFound: no such version.
        Refused: it has been committed, or a later number has been given out already.
    """
    row = artifacts.by_id(context.connection, given.get("artifactID"), lock=True)
    if row["state"] == COMMITTED:
        raise Refused("this version is committed: it keeps its number")
    wanted = given["versionIndex"]
    home = find(context.connection, collections, lock=True, id=row["collection_id"])
    if home is None or not home["next_version"] <= wanted < 2**31:
        raise Refused(f"the number v{wanted} is not to be had: one as high has been given out in this collection")
    context.connection.execute(collections.update().filter_by(id=home["id"]).values(next_version=wanted))
    return updated(context.connection, artifact_table, row["id"], _moments(given, createdAt="created_at"))


def _moments(given: Mapping[str, Any], **columns: str) -> dict[str, float]:
    """The columns of seconds that an input sets."""
    return {column: _seconds(field, given[field]) for field, column in columns.items() if given.get(field) is not None}


def _seconds(name: str, value: Any) -> float:
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise Fault(f"{name} is no time: {value!r}") from None
