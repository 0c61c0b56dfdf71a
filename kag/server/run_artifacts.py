"""Which versions of artifacts a run has logged and used, and which runs have to do with a version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, or_, select

from kag.server.store import all_rows
from kag.server.tables import (
    COMMITTED,
    aliases,
    artifact_outputs,
    artifact_uses,
    artifacts,
    collections,
    memberships,
    projects,
    runs,
)

MOST = 1_000
"""Versions, or runs, of one list."""


def _logged_by(run_id: int) -> ColumnElement[bool]:
    others = select(artifact_outputs.c.artifact_id).filter_by(run_id=run_id)
    return or_(artifacts.c.run_id == run_id, artifacts.c.id.in_(others))


def _used_by(run_id: int) -> ColumnElement[bool]:
    return artifacts.c.id.in_(select(artifact_uses.c.artifact_id).filter_by(run_id=run_id))


def artifact_count(connection: Connection, run_id: int) -> int:
    """How many versions a run has logged or used."""
    either = or_(_logged_by(run_id), _used_by(run_id))
    query = select(func.count()).select_from(artifacts).where(either, artifacts.c.state == COMMITTED)
    return int(connection.execute(query).scalar_one())


def logged_by(connection: Connection, run_id: int) -> Sequence[RowMapping]:
    """The versions that a run has logged; see `versions`."""
    return versions(connection, _logged_by(run_id))


def used_by(connection: Connection, run_id: int) -> Sequence[RowMapping]:
    """The versions that a run has used; see `versions`."""
    return versions(connection, _used_by(run_id))


def versions(connection: Connection, which: ColumnElement[bool]) -> Sequence[RowMapping]:
    """Committed versions, the newest first: their row with `entity`, `project`, `name`, `type` and `version`."""
    return all_rows(connection, _versions().where(which).order_by(artifacts.c.id.desc()).limit(MOST))


def _versions() -> Select[Any]:
    named = (collections.c.name, collections.c.type, memberships.c.version, memberships.c.id.label("membership_id"))
    member = (memberships.c.artifact_id == artifacts.c.id) & (memberships.c.collection_id == artifacts.c.collection_id)
    return (
        select(artifacts, projects.c.entity, projects.c.name.label("project"), *named)
        .join(collections, artifacts.c.collection_id == collections.c.id)
        .join(projects, collections.c.project_id == projects.c.id)
        .join(memberships, member)
        .where(artifacts.c.state == COMMITTED)
    )


def aliases_by_member(connection: Connection, found: Sequence[RowMapping]) -> dict[int, list[str]]:
    """The aliases of versions, by `membership_id`."""
    query = select(aliases.c.membership_id, aliases.c.alias).order_by(aliases.c.alias)
    chosen = query.where(aliases.c.membership_id.in_([one["membership_id"] for one in found]))
    names: dict[int, list[str]] = {}
    for member, alias in connection.execute(chosen):
        names.setdefault(member, []).append(alias)
    return names


def runs_of(connection: Connection, artifact: RowMapping) -> tuple[Sequence[RowMapping], Sequence[RowMapping]]:
    """The runs that have logged a version, and those that have used it, the oldest first."""
    logged = select(artifact_outputs.c.run_id).filter_by(artifact_id=artifact["id"])
    used = select(artifact_uses.c.run_id).filter_by(artifact_id=artifact["id"])
    made = or_(runs.c.id == artifact["run_id"], runs.c.id.in_(logged))
    return _runs(connection, made), _runs(connection, runs.c.id.in_(used))


def _runs(connection: Connection, which: ColumnElement[bool]) -> Sequence[RowMapping]:
    query = select(runs, projects.c.entity, projects.c.name.label("project"))
    query = query.join(projects, runs.c.project_id == projects.c.id).where(which)
    return all_rows(connection, query.order_by(runs.c.created_at, runs.c.id).limit(MOST))
