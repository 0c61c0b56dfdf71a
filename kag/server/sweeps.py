"""Sweeps and agents in the database. What to do is decided by `kag.sweep`; here it is read and written."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml
from sqlalchemy import Connection, RowMapping, select

from kag.errors import SweepError
from kag.server.arguments import text
from kag.server.changes import note_removal
from kag.server.context import Context
from kag.server.faults import Fault, Refused, needed
from kag.server.rights import Act, Thing
from kag.server.runs import ensure_project
from kag.server.store import all_rows, count, find, inserted, updated
from kag.server.tables import agents, runs, sweeps, trials
from kag.server.trials import save_trials, trials_of
from kag.sweep import Sweep, SweepState, parse_sweep
from kag.sweep.trial import forget, reopen

MAX_CONFIG, MAX_LEVELS = 2**20, 100
TOO_DEEP = f"a sweep config may be nested {MAX_LEVELS} levels deep at most"
_BRACKET = re.compile(r"[][{}]")
PARSED = 32
"""Configs whose sweeps are held: each heartbeat of an agent needs one, and to read YAML takes longer than all else."""
TEXTS = {"displayName": "display_name", "description": "description", "controller": "controller"}
"""Fields of an upsertSweep input that may change -> columns."""
FIXED = ("method", "parameters", "program", "command")
"""What a sweep keeps once it has a trial: agents that others have started run it on their machines."""


class _Plain(yaml.SafeLoader):
    """Reads YAML without aliases, since the client writes none, and of few levels."""

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node, with all below it."""
        if self.check_event(yaml.AliasEvent):
            raise Refused("a sweep config may hold no YAML aliases")
        self.level += 1
        if self.level > MAX_LEVELS:
            raise Refused(TOO_DEEP)
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


def _tree(source: Any) -> dict[str, Any]:
    """The tree of a config text."""
    if not isinstance(source, str) or len(source) > MAX_CONFIG:
        raise Refused("a sweep config must be a text of at most 1 MiB")
    steps = (1 if bracket in "[{" else -1 for bracket in _BRACKET.findall(source))
    if max(itertools.accumulate(steps), default=0) > MAX_LEVELS:  # to read them takes the square of their number
        raise Refused(TOO_DEEP)
    try:
        tree = _Plain(source).get_single_data()
        json.dumps(tree)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise Refused(f"the sweep config is not plain YAML: {str(error)[:200]}") from error
    if not isinstance(tree, dict):
        raise Refused("a sweep config must be a mapping")
    return tree


@lru_cache(maxsize=PARSED)
def sweep_of(source: str) -> Sweep:
    """The sweep of a config text.

    Raises:
        Fault: the text is no YAML mapping, or it breaks the schema.
    """
    try:
        return parse_sweep(_tree(source))
    except SweepError as error:
        raise Refused(str(error)) from error


def create(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A new sweep."""
    sweep = sweep_of(given.get("config") or "")
    entity = text(given, "entityName") or sweep.entity or context.settings.entity
    name = given.get("projectName") or sweep.project
    context.ask(Act.MAKE, Thing("a project", (entity, str(name or "uncategorized"))))
    project = ensure_project(context.connection, entity, name, now=context.now)
    row = {
        "project_id": project["id"],
        "name": secrets.token_hex(4),
        "config": given["config"],
        "state": (_state(given["state"]) if given.get("state") else SweepState.RUNNING).value,
        **{column: text(given, name) for name, column in TEXTS.items()},
        "scheduler": text(given, "scheduler"),
        "seed": secrets.randbits(31),
        "user": context.user,
        **dict.fromkeys(("created_at", "updated_at"), context.now),
    }
    return inserted(context.connection, sweeps, row)


def edit(context: Context, number: int, given: Mapping[str, Any]) -> RowMapping:
    """Change a sweep's state or texts. One that has finished and runs again tries its failed points again.

    Raises:
        Fault: an ended sweep cannot run again, and a running one keeps its parameters.
    """
    row = by_id(context.connection, number, lock=True)
    changes: dict[str, Any] = {"updated_at": context.now}
    if given.get("state"):
        state = _state(given["state"])
        if row["state"] == SweepState.CANCELED and state is not SweepState.CANCELED:
            raise Refused("a canceled sweep cannot change its state")
        changes |= {"state": state.value, "absorbed": 0}
        if row["state"] == SweepState.FINISHED and state is SweepState.RUNNING:
            known = trials_of(context.connection, number)
            save_trials(context.connection, number, known, [reopen(trial) for trial in known])
    if given.get("config"):
        old, new = sweep_of(row["config"]), sweep_of(given["config"])
        begun = count(context.connection, trials, sweep_id=number) > 0
        if begun and any(getattr(old, part) != getattr(new, part) for part in FIXED):
            raise Refused(f"{', '.join(FIXED)} of a sweep are fixed once it has a trial; make a new sweep")
        changes |= {"config": given["config"], "absorbed": 0}
    changes |= {column: text(given, name) for name, column in TEXTS.items() if given.get(name) is not None}
    return updated(context.connection, sweeps, number, changes)


def _state(name: Any) -> SweepState:
    try:
        return SweepState(str(name).upper())
    except ValueError as error:
        raise Fault(f"no sweep state {name!r}; there are {', '.join(SweepState)}") from error


def by_id(connection: Connection, number: int, *, lock: bool = False) -> RowMapping:
    """The sweep, or NotFound; `lock` as for `find`."""
    return needed(find(connection, sweeps, lock=lock, id=number), "no such sweep")


def by_name(connection: Connection, project_id: int, name: Any) -> RowMapping | None:
    """The sweep of a project, or None."""
    return find(connection, sweeps, project_id=project_id, name=str(name))


def sweeps_of(connection: Connection, project_id: int) -> Sequence[RowMapping]:
    """The sweeps of a project, the newest first."""
    query = select(sweeps).filter_by(project_id=project_id)
    return all_rows(connection, query.order_by(sweeps.c.id.desc()))


def forget_run(connection: Connection, run: RowMapping) -> None:
    """A run of a sweep is about to be deleted: its point is open again."""
    if run["sweep_id"] is None:
        return
    row = by_id(connection, run["sweep_id"], lock=True)
    known = trials_of(connection, row["id"])
    after = [forget(trial) if trial.run == run["name"] and not trial.prior else trial for trial in known]
    save_trials(connection, row["id"], known, after)
    look_anew(connection, row["id"])


def look_anew(connection: Connection, number: int) -> None:
    """Let the next heartbeat look at all trials of a sweep: something other than a heartbeat has changed them."""
    connection.execute(sweeps.update().filter_by(id=number).values(absorbed=0))


def delete(connection: Connection, number: int) -> None:
    """Remove a sweep; its runs stay."""
    found = find(connection, sweeps, id=number)
    if found is not None:
        connection.execute(runs.update().filter_by(sweep_id=number).values(sweep_id=None))
        connection.execute(sweeps.delete().filter_by(id=number))
        note_removal(connection, found["project_id"])


def create_agent(context: Context, sweep: RowMapping, host: Any) -> RowMapping:
    """A new agent."""
    row = {"sweep_id": sweep["id"], "name": secrets.token_hex(4), "host": str(host)[:256], "user": context.user}
    times = dict.fromkeys(("created_at", "heartbeat_at"), context.now)
    return inserted(context.connection, agents, row | times)
