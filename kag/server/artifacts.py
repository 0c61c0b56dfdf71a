"""Artifacts in the database: collections of versions, each a set of files under a manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from kag.server.arguments import items, text
from kag.server.context import Context, decode_id
from kag.server.faults import Fault, needed
from kag.server.files import checked_path
from kag.server.runs import checked_name, ensure_project, find_run, run_by_path
from kag.server.store import all_rows, find, first, highest, inserted, updated, upsert
from kag.server.tables import (
    aliases,
    artifact_files,
    artifact_tags,
    artifact_uses,
    artifacts,
    blobs,
    collections,
    manifests,
)

COMMITTED, PENDING = "COMMITTED", "PENDING"


def words(given: Mapping[str, Any], name: str, key: str) -> list[str]:
    """One word of each object of a list: `[{"alias": "best"}, ...]`."""
    return [str(one.get(key)) for one in items(given, name, dict)]


def by_id(connection: Connection, identifier: Any) -> RowMapping:
    """The artifact of an id, or of the id that the client chose; else NotFound."""
    found = find(connection, artifacts, client_id=str(identifier))
    found = found or find(connection, artifacts, id=decode_id("Artifact", identifier))
    return needed(found, "no such artifact")


def collection_of(connection: Connection, artifact: RowMapping) -> RowMapping:
    """The collection that a version is in."""
    return needed(find(connection, collections, id=artifact["collection_id"]), "no such collection")


def find_collection(connection: Connection, project_id: int, name: Any) -> RowMapping | None:
    """A collection by name, or None."""
    return find(connection, collections, project_id=project_id, name=str(name))


def create(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A version that waits for its files; a committed one with the same digest is taken instead."""
    connection, now = context.connection, context.now
    entity = text(given, "entityName") or context.settings.entity
    project = ensure_project(connection, entity, given.get("projectName"), now=now)
    collection = _ensure_collection(connection, project["id"], given, now)
    digest = str(given.get("digest"))
    found = find(connection, artifacts, collection_id=collection["id"], digest=digest, state=COMMITTED)
    if found is None:
        run = find_run(connection, project["id"], given.get("runName"))
        row = {
            "collection_id": collection["id"],
            "digest": digest[:256],
            "state": PENDING,
            **{name: text(given, name) for name in ("description", "metadata")},
            "client_id": text(given, "clientID"),
            "run_id": None if run is None else run["id"],
            **dict.fromkeys(("created_at", "updated_at"), now),
        }
        found = inserted(connection, artifacts, row)
    set_aliases(connection, found, words(given, "aliases", "alias"))
    set_tags(connection, found["id"], words(given, "tags", "tagName"))
    return found


def _ensure_collection(connection: Connection, project_id: int, given: Mapping[str, Any], now: float) -> RowMapping:
    name = next(iter(items(given, "artifactCollectionNames", str)), text(given, "artifactCollectionName"))
    row = {
        "project_id": project_id,
        "name": checked_name("artifact", name),
        "type": checked_name("artifact type", given.get("artifactTypeName")),
        "created_at": now,
    }
    upsert(connection, collections, [row], key=["project_id", "name"], update=[])
    found = needed(find_collection(connection, project_id, name), "the collection vanished")
    if found["type"] != row["type"]:
        raise Fault(f"the artifact {name!r} has the type {found['type']!r}, not {row['type']!r}")
    return found


def set_aliases(connection: Connection, artifact: RowMapping, names: Sequence[str]) -> None:
    """Point names of the collection to this version."""
    place = {"artifact_id": artifact["id"], "collection_id": artifact["collection_id"]}
    rows = [{**place, "alias": checked_name("alias", name)} for name in dict.fromkeys(names)]
    upsert(connection, aliases, rows, key=["collection_id", "alias"], update=["artifact_id"])


def drop_aliases(connection: Connection, artifact: RowMapping, names: Sequence[str]) -> None:
    """Remove names of this version."""
    connection.execute(aliases.delete().filter_by(artifact_id=artifact["id"]).where(aliases.c.alias.in_(names)))


def set_tags(connection: Connection, artifact_id: int, names: Sequence[str]) -> None:
    """Tag a version."""
    rows = [{"artifact_id": artifact_id, "name": checked_name("tag", name)} for name in dict.fromkeys(names)]
    upsert(connection, artifact_tags, rows, key=["artifact_id", "name"], update=[])


def add_file(connection: Connection, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """A file that the client is about to upload."""
    row = {"artifact_id": artifact["id"], "name": checked_path(given.get("name")), "md5": str(given.get("md5"))[:256]}
    upsert(connection, artifact_files, [row], key=["artifact_id", "name"], update=["md5"])
    found = find(connection, artifact_files, artifact_id=artifact["id"], name=row["name"])
    return needed(found, "the file vanished")


def files_of(connection: Connection, artifact_id: int) -> Sequence[RowMapping]:
    """The files of a version that have arrived."""
    query = (
        select(artifact_files, blobs.c.path, blobs.c.size)
        .join(blobs, artifact_files.c.blob_id == blobs.c.id)
        .where(artifact_files.c.artifact_id == artifact_id)
        .order_by(artifact_files.c.name)
    )
    return all_rows(connection, query)


def create_manifest(connection: Connection, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """The manifest of a version."""
    texts = {name: str(given.get(name))[:256] for name in ("name", "digest")}
    return inserted(connection, manifests, {"artifact_id": artifact["id"], **texts})


def current_manifest(connection: Connection, artifact_id: int) -> RowMapping | None:
    """The newest manifest of a version that has arrived, with the path of its blob."""
    query = (
        select(manifests, blobs.c.path)
        .join(blobs, manifests.c.blob_id == blobs.c.id)
        .where(manifests.c.artifact_id == artifact_id)
        .order_by(manifests.c.id.desc())
    )
    return first(connection, query)


def commit(context: Context, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """All files are there: the version gets its number, and the name `latest`."""
    if artifact["state"] == COMMITTED:
        return artifact
    connection = context.connection
    last = highest(connection, artifacts.c.version, artifacts.c.collection_id == artifact["collection_id"])
    set_aliases(connection, artifact, ["latest"])
    values = {"state": COMMITTED, "version": last + 1, "updated_at": context.now}
    return updated(connection, artifacts, artifact["id"], values)


def named(connection: Connection, collection_id: int, word: str) -> RowMapping | None:
    """A version by alias, `v3`, or digest."""
    alias = find(connection, aliases, collection_id=collection_id, alias=word)
    found = None if alias is None else find(connection, artifacts, id=alias["artifact_id"])
    if found is None and word.startswith("v") and word[1:].isdecimal() and len(word) < 10:
        found = find(connection, artifacts, collection_id=collection_id, version=int(word[1:]))
    return found or find(connection, artifacts, collection_id=collection_id, digest=word)


def by_path(connection: Connection, project_id: int, name: Any) -> dict[str, RowMapping] | None:
    """`collection` and `artifact`, the version, of `collection:alias`."""
    words = str(name).rsplit("/", 1)[-1].split(":", 1)
    collection = find_collection(connection, project_id, words[0])
    if collection is None:
        return None
    found = named(connection, collection["id"], words[1] if len(words) > 1 else "latest")
    return None if found is None else {"collection": collection, "artifact": found}


def use(context: Context, given: Mapping[str, Any]) -> RowMapping:
    """A run takes an artifact as its input."""
    artifact = by_id(context.connection, given.get("artifactID"))
    entity = text(given, "entityName") or context.settings.entity
    run = run_by_path(context.connection, entity, given.get("projectName"), given.get("runName"))
    row = {"artifact_id": artifact["id"], "run_id": run["id"]}
    upsert(context.connection, artifact_uses, [row], key=["artifact_id", "run_id"], update=[])
    return artifact


def update(context: Context, artifact: RowMapping, given: Mapping[str, Any]) -> RowMapping:
    """Change what a person may change."""
    connection, number = context.connection, artifact["id"]
    changes = {name: text(given, name) for name in ("description", "metadata") if given.get(name) is not None}
    set_tags(connection, number, words(given, "tagsToAdd", "tagName"))
    gone = artifact_tags.c.name.in_(words(given, "tagsToDelete", "tagName"))
    connection.execute(artifact_tags.delete().filter_by(artifact_id=number).where(gone))
    set_aliases(connection, artifact, words(given, "aliasesToAdd", "alias"))
    drop_aliases(connection, artifact, words(given, "aliasesToDelete", "alias"))
    return updated(connection, artifacts, number, {**changes, "updated_at": context.now})
