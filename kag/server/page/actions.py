"""What is done to many runs of a project at once: those that were chosen, or all that the filter leaves.

Each run is decided about by itself, so one that cannot be changed leaves the others to be; why not is told of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select
from starlette.responses import Response

from kag.server.audit import note
from kag.server.context import Patience
from kag.server.faults import Fault, Forbidden
from kag.server.page.held import Held
from kag.server.page.narrowed import Narrowed
from kag.server.page.responses import data
from kag.server.page.runs_page import columns_of
from kag.server.page.site import Shelf, Site
from kag.server.page.visit import Visit
from kag.server.parts import in_parts
from kag.server.rights import Act, Key, Place, Thing, ask, refusal
from kag.server.store import all_rows
from kag.server.tables import runs, sweeps
from kag.server.things import run_in
from kag.server.trash import drop_expired, set_aside
from kag.text import printable
from kag.track.record import ARCHIVED

ACTIONS = ("tag", "untag", "archive", "unarchive", "delete")
LONGEST_TAG = 64
"""Letters of a tag, as W&B has it."""
MOST_TAGS = 200
TOLD = 20
"""Runs that were not changed and are told of one by one."""

_NEEDED = (
    "id",
    "project_id",
    "sweep_id",
    "name",
    "display_name",
    "user",
    "tags",
    "state",
    "heartbeat_at",
    "should_stop",
)


@dataclass
class Report:
    """What became of the runs."""

    done: int = 0
    same: int = 0
    """Those that were so already."""
    undone: list[tuple[str, str]] = field(default_factory=list)
    """What a run is called, and why it was left as it is."""

    def told(self) -> dict[str, Any]:
        """For a script of the page."""
        shown = [{"run": name, "why": why} for name, why in self.undone[:TOLD]]
        return {"done": self.done, "same": self.same, "undone": shown, "more": len(self.undone) - len(shown)}


@dataclass(frozen=True)
class Asked:
    """What is to be done, by whom, and where."""

    do: str
    tag: str
    key: Key
    place: Place
    searchers: Mapping[int, str]
    """Sweep -> the key that made it."""
    patience: Patience
    now: float

    @property
    def retags(self) -> tuple[set[str], set[str]]:
        """Tags that come, and tags that go."""
        if self.do in ("tag", "archive"):
            return {self.tag}, set()
        return set(), {self.tag}

    def forbidden(self, row: RowMapping) -> str | None:
        """Why the key may not change a run; None if it may."""
        return refusal(self.key, Act.CHANGE, run_in(self.place, row, self.searchers.get(row["sweep_id"])))

    def unfit(self, row: RowMapping) -> str | None:
        """Why a run cannot be changed as it is; None if it can."""
        under_way = self.patience.shown_state(row, now=self.now) in ("running", "pending", "preempting")
        return "it is under way: stop it first" if under_way and self.do in ("archive", "delete") else None


def act(site: Site, visit: Visit) -> Response:
    """Do one thing to many runs; what was done, and what was not and why.

    Raises:
        Fault: no such action, no tag, or the filter leaves other runs than were shown.
        Forbidden: the key may not change any of them.
    """
    with site.store.read() as connection:
        shelf = Shelf.of(site, connection, visit)
        ask(visit.key, Act.MAKE, Thing("a project", shelf.names))
        do, tag = _wanted(visit.form)
        chosen, report = _chosen(shelf, visit)
        made = {row["id"]: row["user"] for row in all_rows(connection, select(sweeps.c.id, sweeps.c.user))}
    asked = Asked(do, tag, visit.key, shelf.names, made, site.patience, visit.now)
    if do == "delete":
        drop_expired(site.store, now=visit.now)
    forbidden: list[str] = []

    def do_some(connection: Connection, some: Sequence[int]) -> None:
        _do(connection, asked, some, report, forbidden)

    in_parts(site.store, [run.number for run in chosen], do_some)
    if forbidden and len(forbidden) == len(chosen):
        raise Forbidden(forbidden[0])
    return data({**report.told(), "at": repr(visit.now) if do == "delete" and report.done else None})


def checked_tag(text: str) -> str:
    """A tag as a person wrote it.

    Raises:
        Fault: it is empty, too long, or not of one line.
    """
    tag = text.strip()
    if not 1 <= len(tag) <= LONGEST_TAG or printable(tag) != tag or "," in tag:
        raise Fault(f"a tag has 1 to {LONGEST_TAG} letters and no comma")
    return tag


def retagged(kept: str, come: set[str], go: set[str]) -> str:
    """Tags as they are kept, with some more and some less: those that stay keep their places."""
    tags = [tag for tag in json.loads(kept) if tag not in go]
    return json.dumps([*tags, *sorted(come - set(tags))])


def _wanted(form: Mapping[str, str]) -> tuple[str, str]:
    do = form.get("do", "")
    if do not in ACTIONS:
        raise Fault(f"with runs one can {', '.join(ACTIONS)}")
    return do, checked_tag(form.get("tag", "")) if do in ("tag", "untag") else ARCHIVED


def _chosen(shelf: Shelf, visit: Visit) -> tuple[Sequence[Held], Report]:
    """The runs that are meant; the report names those that are gone."""
    report = Report()
    if visit.form.get("all"):
        fitting = Narrowed(shelf, columns_of(shelf, visit), visit.query).runs
        if visit.form.get("count") != str(len(fitting)):
            told = f"the filter leaves {len(fitting)} runs by now; nothing was changed. Look again, and repeat"
            raise Fault(told, status=409)
        return fitting, report
    held = {run.name: run for run in shelf.runs}
    named = dict.fromkeys(name for name in visit.form.get("runs", "").split("\n") if name)
    report.undone += [(name, "it is not there any more") for name in named if name not in held]
    return [held[name] for name in named if name in held], report


def _do(connection: Connection, asked: Asked, numbers: Sequence[int], report: Report, forbidden: list[str]) -> None:
    """Some of the runs: read as they are now, decided about, and changed."""
    query = select(*(runs.c[name] for name in _NEEDED)).where(runs.c.id.in_(numbers), runs.c.project_id.isnot(None))
    rows = all_rows(connection, query.order_by(runs.c.id).with_for_update())
    fit: list[RowMapping] = []
    for row in rows:
        refused = asked.forbidden(row)
        forbidden += [refused] if refused else []
        why = refused or asked.unfit(row)
        fit += [] if why else [row]
        report.undone += [(row["display_name"] or row["name"], why)] if why else []
    if asked.do == "delete":
        _delete(connection, asked, fit, report)
    else:
        _retag(connection, asked, fit, report)


def _delete(connection: Connection, asked: Asked, rows: Sequence[RowMapping], report: Report) -> None:
    for row in rows:
        thing = run_in(asked.place, row, None)
        set_aside(connection, row, user=asked.key.name, now=asked.now)
        note(connection, asked.key.name, "deleteRun", thing, now=asked.now, detail="can be restored for a day")
    report.done += len(rows)


def _retag(connection: Connection, asked: Asked, rows: Sequence[RowMapping], report: Report) -> None:
    changes = list(_changes(asked, rows, report))
    if changes:
        query = runs.update().where(runs.c.id == bindparam("its_id")).values(tags=bindparam("its_tags"))
        connection.execute(query, changes)
    report.done += len(changes)


def _changes(asked: Asked, rows: Sequence[RowMapping], report: Report) -> Iterator[dict[str, Any]]:
    come, go = asked.retags
    for row in rows:
        tags = retagged(row["tags"], come, go)
        if json.loads(tags) == json.loads(row["tags"]):
            report.same += 1
        elif len(json.loads(tags)) > MOST_TAGS:
            report.undone.append((row["display_name"] or row["name"], f"it has {MOST_TAGS} tags already"))
        else:
            yield {"its_id": row["id"], "its_tags": tags}
