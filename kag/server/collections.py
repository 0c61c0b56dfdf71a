"""Collections of artifacts in the database: sequences, where versions are logged; portfolios, where they are linked.

A version is a member of the sequence that it was logged to and of every portfolio that it is linked to; each numbers
its members by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from kag.server.aliases import LATEST, named, restore_latest, set_aliases
from kag.server.arguments import items, text
from kag.server.context import decode_id
from kag.server.faults import Refused, needed
from kag.server.runs import checked_name, find_project
from kag.server.store import find, first, inserted, updated, upsert
from kag.server.tables import artifact_types, artifacts, collection_tags, collections, memberships

SEQUENCE, PORTFOLIO = "SEQUENCE", "PORTFOLIO"

_CLOSED = {
    SEQUENCE: "is where its own versions are logged: nothing can be linked into it",
    PORTFOLIO: "holds links to versions that were logged elsewhere: nothing can be logged into it",
}


def words(given: Mapping[str, Any], name: str, key: str) -> list[str]:
    """One word of each object of a list: `[{"alias": "best"}, ...]`."""
    return [str(one.get(key)) for one in items(given, name, dict)]


def find_collection(connection: Connection, project_id: int, name: Any) -> RowMapping | None:
    """A collection by name, or None."""
    return find(connection, collections, project_id=project_id, name=str(name))


def collection_by_id(connection: Connection, identifier: Any) -> RowMapping:
    """The collection of an id, or NotFound."""
    number = decode_id("ArtifactCollection", identifier)
    return needed(find(connection, collections, id=number), "no such collection")


def ensure_type(
    connection: Connection, project_id: int, name: Any, *, now: float, description: str | None = None
) -> RowMapping:
    """A type of artifacts, made if there is none. It outlives its last collection."""
    row = {"project_id": project_id, "name": checked_name("artifact type", name), "created_at": now}
    row["description"] = description
    upsert(connection, artifact_types, [row], key=["project_id", "name"], update=[])
    return needed(find(connection, artifact_types, project_id=project_id, name=row["name"]), "the type vanished")


def ensure_collection(
    connection: Connection, project_id: int, *, name: Any, type_name: Any, kind: str, user: str, now: float
) -> RowMapping:
    """The collection, made if there is none; nobody else changes it until the transaction ends.

    Raises:
        Fault: it is of another kind, or holds artifacts of another type.
    """
    row = {
        "project_id": project_id,
        "name": checked_name("artifact", name),
        "type": ensure_type(connection, project_id, type_name, now=now)["name"],
        "kind": kind,
        "next_version": 0,
        "user": user,
        "created_at": now,
    }
    upsert(connection, collections, [row], key=["project_id", "name"], update=[])
    found = needed(
        find(connection, collections, lock=True, project_id=project_id, name=name), "the collection vanished"
    )
    if found["kind"] != kind:
        raise Refused(f"the collection {name!r} {_CLOSED[found['kind']]}")
    if found["type"] != row["type"]:
        raise Refused(f"the artifact {name!r} has the type {found['type']!r}, not {row['type']!r}")
    return found


def enter(connection: Connection, collection_id: int, artifact_id: int, *, now: float) -> RowMapping:
    """A version becomes a member of a collection, and its `latest`, under a number that no other has ever had there.
    One that is a member stays as it is: `latest` is the newest, whatever is linked again.
    """
    found = find(connection, memberships, collection_id=collection_id, artifact_id=artifact_id)
    if found is None:
        counted = collections.update().filter_by(id=collection_id).values(next_version=collections.c.next_version + 1)
        number = connection.execute(counted.returning(collections.c.next_version)).scalar_one() - 1
        place = {"collection_id": collection_id, "artifact_id": artifact_id}
        found = inserted(connection, memberships, {**place, "version": number, "created_at": now})
        set_aliases(connection, found, [LATEST])
    return found


def origin_of(connection: Connection, artifact: RowMapping) -> RowMapping | None:
    """The membership of a version in the sequence that it was logged to; None until it is committed."""
    return find(connection, memberships, collection_id=artifact["collection_id"], artifact_id=artifact["id"])


def by_path(connection: Connection, project_id: int, name: Any) -> RowMapping | None:
    """The member that `collection:alias` names; without an alias, the latest."""
    collection, _, word = str(name).rsplit("/", 1)[-1].partition(":")
    found = find_collection(connection, project_id, collection)
    return None if found is None else member(connection, found["id"], word or LATEST)


def member(connection: Connection, collection_id: int, word: str) -> RowMapping | None:
    """A member of a collection by alias, `v3`, or digest."""
    query = select(memberships).join(artifacts, memberships.c.artifact_id == artifacts.c.id)
    same = query.where(memberships.c.collection_id == collection_id, artifacts.c.digest == word)
    return named(connection, collection_id, word) or first(connection, same.order_by(memberships.c.version.desc()))


def members_named(
    connection: Connection, artifact: RowMapping, given: Mapping[str, Any]
) -> list[tuple[RowMapping, str]]:
    """The aliases of an input, each with the membership that it is about: that in the collection which it names.

    Raises:
        NotFound: the version is in no such collection.
    """
    found = []
    for one in items(given, "aliases", dict):
        name = one.get("artifactCollectionName")
        project = find_project(connection, str(one.get("entityName")), one.get("projectName"))
        collection = None if project is None else find_collection(connection, project["id"], name)
        place = {"collection_id": None if collection is None else collection["id"], "artifact_id": artifact["id"]}
        membership = needed(find(connection, memberships, **place), f"this version is in no collection {name!r}")
        found.append((membership, str(one.get("alias"))))
    return found


def remove_versions(connection: Connection, which: ColumnElement[bool]) -> None:
    """Delete versions with all that belongs to them; `latest` is then the newest that is left of each collection."""
    chosen = select(artifacts.c.id).where(which)
    touched = select(memberships.c.collection_id).where(memberships.c.artifact_id.in_(chosen)).distinct()
    numbers = connection.execute(touched).scalars().all()
    connection.execute(artifacts.delete().where(which))
    for number in numbers:
        restore_latest(connection, number)


def delete_collection(connection: Connection, collection: RowMapping) -> None:
    """Delete a collection: a sequence with its versions, of a portfolio only the links."""
    remove_versions(connection, artifacts.c.collection_id == collection["id"])
    connection.execute(collections.delete().filter_by(id=collection["id"]))


def edit_collection(connection: Connection, collection: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """Rename and describe a collection; what is null stays.

    Raises:
        Fault: another collection of the project has the name.
    """
    changes = {name: text(given, name) for name in ("name", "description") if given.get(name) is not None}
    name = checked_name("artifact", changes.get("name", collection["name"]))
    other = find_collection(connection, collection["project_id"], name)
    if other is not None and other["id"] != collection["id"]:
        raise Refused(f"this project has a collection {name!r} already")
    return updated(connection, collections, collection["id"], changes) if changes else collection


def retype_collection(connection: Connection, collection: RowMapping, type_name: Any, *, now: float) -> RowMapping:
    """Say of a sequence that its versions are of another type."""
    if collection["kind"] != SEQUENCE:
        raise Refused(f"{collection['name']!r} holds links: its type is that of the versions in it")
    name = ensure_type(connection, collection["project_id"], type_name, now=now)["name"]
    return updated(connection, collections, collection["id"], {"type": name})


def tag_collection(connection: Connection, collection_id: int, names: Sequence[str]) -> None:
    """Tag a collection."""
    rows = [{"collection_id": collection_id, "name": checked_name("tag", name)} for name in dict.fromkeys(names)]
    upsert(connection, collection_tags, rows, key=["collection_id", "name"], update=[])
