"""What a row of the database is to `kag.server.rights`: its project, and who made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping

from kag.server.claims import GONE, Claim, row_of
from kag.server.faults import needed
from kag.server.rights import Place, Thing
from kag.server.runs import find_run_by_id
from kag.server.store import find
from kag.server.tables import artifacts, collections, projects, sweeps

Row = RowMapping | Mapping[str, Any]


def place_of(connection: Connection, project_id: int | None) -> Place:
    """Entity and name of a project; NotFound of what is in none, as a deleted run."""
    row = needed(find(connection, projects, id=project_id), "no such project")
    return row["entity"], row["name"]


def run_thing(connection: Connection, row: Row) -> Thing:
    """A run. One of a sweep is the sweep's maker's, too, who has to stop and clear away what it has started."""
    sweep = None if row["sweep_id"] is None else find(connection, sweeps, id=row["sweep_id"])
    return run_in(place_of(connection, row["project_id"]), row, None if sweep is None else sweep["user"])


def run_in(place: Place, row: Row, searcher: str | None) -> Thing:
    """A run of a project, of whose sweep, if it is of one, the maker is known: for many runs at once."""
    return Thing(
        f"the run {row['name']!r}", place, frozenset({row["user"]} if searcher is None else {row["user"], searcher})
    )


def sweep_thing(connection: Connection, row: Row) -> Thing:
    """A sweep."""
    return Thing(f"the sweep {row['name']!r}", place_of(connection, row["project_id"]), frozenset({row["user"]}))


def collection_thing(connection: Connection, row: Row) -> Thing:
    """A collection of artifacts."""
    return Thing(f"the collection {row['name']!r}", place_of(connection, row["project_id"]), frozenset({row["user"]}))


def artifact_thing(connection: Connection, row: Row) -> Thing:
    """A version of an artifact."""
    home = needed(find(connection, collections, id=row["collection_id"]), "no such collection")
    return Thing(f"a version of {home['name']!r}", place_of(connection, home["project_id"]), frozenset({row["user"]}))


def target_thing(connection: Connection, claim: Claim) -> Thing:
    """What a link belongs to: a run, or a version of an artifact.

    Raises:
        NotFound: it is gone.
        Fault: the link says nothing that this server knows.
    """
    row = row_of(connection, claim)
    if claim["to"] in ("run", "file"):
        number = row["id" if claim["to"] == "run" else "run_id"]
        return run_thing(connection, needed(find_run_by_id(connection, number), GONE))
    return artifact_thing(connection, needed(find(connection, artifacts, id=row["artifact_id"]), GONE))


def shown_thing(connection: Connection, kind: str, row: Any) -> Thing | None:
    """What an object of a GraphQL type shows of a project; None where it shows none."""
    if kind == "Project":
        return Thing("this project", (row["entity"], row["name"]))
    if kind == "Artifact":
        return artifact_thing(connection, row)
    if isinstance(row, Mapping) and "project_id" in row:
        return Thing("this", place_of(connection, row["project_id"]))
    return None
