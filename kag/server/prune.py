"""What a server need not keep: files that nothing names, runs that are old enough, projects that nobody wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, func, select

from kag.errors import UserError
from kag.server.begin import ENDED, delete
from kag.server.blobs import Blobs, Lying
from kag.server.collections import remove_versions
from kag.server.context import SILENT, Settings
from kag.server.files import drop_unnamed, unnamed
from kag.server.runs import find_project
from kag.server.store import Store, all_rows, count
from kag.server.tables import artifacts, blobs, collections, projects, runs, sweeps, trash
from kag.server.trash import drop, expired
from kag.sweep import SweepState

UNDERWAY = 3600.0
"""Seconds in which a file that nothing names may still be about to get a row."""
DAY = 86400.0
OVER = (SweepState.FINISHED.value, SweepState.CANCELED.value)


def strays(store: Store, files: Blobs, *, before: float) -> list[Lying]:
    """Blobs that no row has and that nobody has written to since: of uploads that broke off, of kills."""
    found = files.lying(before=before)
    with store.read() as connection:
        kept = set(connection.execute(select(blobs.c.path)).scalars())
    return [one for one in found if one.path not in kept]


def old_runs(connection: Connection, *, before: float, project_id: int | None = None) -> Sequence[RowMapping]:
    """Runs that were heard of last before a moment and are over, and so is their sweep."""
    over = runs.c.sweep_id.is_(None) | sweeps.c.state.in_(OVER)
    query = select(runs.c.id, runs.c.name, runs.c.heartbeat_at, projects.c.name.label("project"), projects.c.entity)
    query = query.join(projects, runs.c.project_id == projects.c.id).outerjoin(sweeps, runs.c.sweep_id == sweeps.c.id)
    query = query.where(runs.c.heartbeat_at < before, over, runs.c.state.in_((*ENDED, *SILENT)))
    if project_id is not None:
        query = query.where(runs.c.project_id == project_id)
    return all_rows(connection, query.order_by(runs.c.id))


class Gone(NamedTuple):
    """What was removed, or would be."""

    runs: list[str]
    """entity/project/name."""
    files: int
    bytes: int


def prune(
    store: Store, files: Blobs, *, now: float, keep_days: float | None, project: str | None, dry_run: bool
) -> Gone:
    """Remove files that nothing names, deleted runs that were kept for a day, and runs older than so many days.

    Artifacts stay.

    Raises:
        UserError: there is no such project.
    """
    reading = store.read if dry_run else store.write
    with reading() as connection:
        which = None if project is None else int(project_of(connection, project)["id"])
        old = [] if keep_days is None else old_runs(connection, before=now - keep_days * DAY, project_id=which)
        if not dry_run:
            for row in old:
                delete(connection, row["id"], now=now)
            drop(connection, expired(now))
        over = connection.execute(select(trash.c.run_id).where(expired(now))).scalars()
        leaving = unnamed(connection, without=[*(row["id"] for row in old), *over])
    stray = strays(store, files, before=now - UNDERWAY)
    room = sum(row["size"] for row in leaving) + sum(one.size for one in stray)
    if not dry_run:
        drop_unnamed(store, files)
        files.remove(one.path for one in stray)
    names = [f"{row['entity']}/{row['project']}/{row['name']}" for row in old]
    return Gone(names, len(leaving) + len(stray), room)


def projects_with_runs(connection: Connection) -> dict[str, int]:
    """Every project by its path, with how many runs it has."""
    query = select(projects.c.entity, projects.c.name, func.count(runs.c.id)).outerjoin(runs).group_by(projects.c.id)
    return {f"{entity}/{name}": number for entity, name, number in connection.execute(query.order_by(projects.c.id))}


def drop_project(store: Store, files: Blobs, path: str, *, now: float, dry_run: bool) -> int:
    """Delete a project with its files; how many runs it had.

    Raises:
        UserError: there is none, or runs of it are logging.
    """
    heard = now - Settings(files=files).crashed_after
    with (store.read if dry_run else store.write)() as connection:
        found = project_of(connection, path)
        held = count(connection, runs, project_id=found["id"])
        _refuse_living(connection, found["id"], heard)
        if not dry_run:
            delete_project(connection, found["id"])
    if not dry_run:
        drop_unnamed(store, files)
    return held


def project_of(connection: Connection, path: str) -> RowMapping:
    """The project that `entity/name` names.

    Raises:
        UserError: there is none.
    """
    entity, _, name = path.partition("/")
    found = find_project(connection, entity, name)
    if found is None:
        known = [f"{row['entity']}/{row['name']}" for row in all_rows(connection, select(projects))]
        raise UserError(f"there is no project {path!r}", nearest=", ".join(sorted(known)[:10]) or None)
    return found


def _refuse_living(connection: Connection, project_id: int, heard: float) -> None:
    living = (runs.c.state.in_(tuple(SILENT)), runs.c.heartbeat_at >= heard)
    if count(connection, runs, *living, project_id=project_id):
        raise UserError("runs of this project are logging", remedy="stop them, or wait until they end")


def delete_project(connection: Connection, number: int) -> None:
    """Remove a project with its runs, sweeps and artifacts, wherever those are linked."""
    own = select(collections.c.id).filter_by(project_id=number)
    remove_versions(connection, artifacts.c.collection_id.in_(own))
    drop(connection, trash.c.project_id == number)
    connection.execute(projects.delete().filter_by(id=number))
