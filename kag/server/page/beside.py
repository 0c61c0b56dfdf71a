"""What the database has of runs beside their rows: artifacts that they used, the patch, what their sweeps are after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, select

from kag.server.context import encode_id
from kag.server.tables import artifact_uses, artifacts, collections, files, memberships, projects, runs, sweeps
from kag.track.attempts import PATCH
from kag.track.mirrored import Used
from kag.track.objective import objective_in, said_in, sweep_title
from kag.track.record import Declared


@dataclass(frozen=True)
class Beside:
    """What there is beside the row of a run."""

    used: tuple[Used, ...] = ()
    has_patch: bool = False


@dataclass(frozen=True)
class ProjectBeside:
    """What there is of the runs of a project that have changed since a number of its changes."""

    runs: Mapping[int, Beside]
    """Row of the table of runs -> what there is; a run of which there is nothing is absent."""
    objectives: Mapping[str, Declared]
    """Sweep -> what it is after."""
    titles: Mapping[str, str]
    """Sweep -> what it is called."""

    @classmethod
    def read(cls, connection: Connection, project: int, *, since: int) -> ProjectBeside:
        """Ask the database, with as many queries however many runs there are."""
        used = _used(connection, project, since)
        with_patch = select(files.c.run_id).join(runs).where(files.c.name == PATCH, *_changed(project, since))
        patched = set(connection.execute(with_patch).scalars())
        found = {run: Beside(tuple(used.get(run, ())), run in patched) for run in used.keys() | patched}
        query = select(sweeps.c.name, sweeps.c.display_name, sweeps.c.config).filter_by(project_id=project)
        said = {row["name"]: (row, said_in(row["config"])) for row in connection.execute(query).mappings()}
        objectives = {name: objective for name, (_, one) in said.items() if (objective := objective_in(one))}
        titles = {name: sweep_title(name, row["display_name"], one.get("name")) for name, (row, one) in said.items()}
        return cls(found, objectives, titles)


def _used(connection: Connection, project: int, since: int) -> Mapping[int, list[Used]]:
    maker = runs.alias()
    query = (
        select(
            artifact_uses.c.run_id,
            artifacts.c.id,
            collections.c.name,
            collections.c.type,
            collections.c.project_id,
            memberships.c.version,
            maker.c.name.label("made_by"),
            projects.c.entity,
            projects.c.name.label("project"),
        )
        .select_from(artifact_uses)
        .join(runs, artifact_uses.c.run_id == runs.c.id)
        .join(artifacts, artifact_uses.c.artifact_id == artifacts.c.id)
        .join(collections, artifacts.c.collection_id == collections.c.id)
        .join(projects, collections.c.project_id == projects.c.id)
        .join(
            memberships,
            (memberships.c.artifact_id == artifacts.c.id) & (memberships.c.collection_id == collections.c.id),
        )
        .outerjoin(maker, (artifacts.c.run_id == maker.c.id) & maker.c.project_id.isnot(None))
        .where(*_changed(project, since))
        .order_by(artifacts.c.id)
    )
    found: defaultdict[int, list[Used]] = defaultdict(list)
    for row in connection.execute(query):
        home = "" if row.project_id == project else f"{row.entity}/{row.project}/"
        name = f"{home}{row.name}:v{row.version}"
        found[row.run_id].append(Used(name, row.type, encode_id("Artifact", row.id), row.made_by))
    return found


def _changed(project: int, since: int) -> tuple[ColumnElement[bool], ...]:
    return runs.c.project_id == project, runs.c.changed > since
