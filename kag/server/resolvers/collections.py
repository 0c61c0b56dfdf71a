"""Collections of artifacts: by project, by type, by name and alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, Select, select

from kag.server import artifacts
from kag.server.arguments import Arguments
from kag.server.context import Context, encode_id
from kag.server.graphql import Node, Registry
from kag.server.resolvers.artifacts import alias_nodes, file_page
from kag.server.resolvers.fields import column, columns, constants, identifier, moments, optional, time_text
from kag.server.resolvers.pages import connection, listed
from kag.server.resolvers.projects import project_of
from kag.server.store import all_rows
from kag.server.tables import artifacts as artifact_table
from kag.server.tables import collections as collection_table


def _membership(context: Context, row: RowMapping, arguments: Arguments) -> dict[str, RowMapping] | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None else {"collection": found[0], "artifact": found[1]}


def _membership_by_alias(context: Context, row: RowMapping, arguments: Arguments) -> dict[str, RowMapping] | None:
    found = artifacts.named(context.connection, row["id"], str(arguments.get("aliasName") or "latest"))
    return None if found is None else {"collection": row, "artifact": found}


def _artifact(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None else found[1]


def _artifact_of_type(context: Context, row: dict[str, Any], arguments: Arguments) -> RowMapping | None:
    found = artifacts.by_path(context.connection, row["id"], arguments.get("name"))
    return None if found is None or found[0]["type"] != row["name"] else found[1]


def _collection(context: Context, row: RowMapping, arguments: Arguments) -> RowMapping | None:
    return artifacts.find_collection(context.connection, row["id"], arguments.get("name"))


def _collection_of_type(context: Context, row: dict[str, Any], arguments: Arguments) -> RowMapping | None:
    found = artifacts.find_collection(context.connection, row["id"], arguments.get("name"))
    return None if found is None or found["type"] != row["name"] else found


def _collections(project: Mapping[str, Any]) -> Select[Any]:
    return (
        select(collection_table).where(collection_table.c.project_id == project["id"]).order_by(collection_table.c.id)
    )


def _collections_of_type(type_of_project: dict[str, Any]) -> Select[Any]:
    return _collections(type_of_project).where(collection_table.c.type == type_of_project["name"])


def _types(context: Context, row: RowMapping) -> list[Node]:
    query = select(collection_table.c.type).where(collection_table.c.project_id == row["id"]).distinct()
    found = context.connection.execute(query.order_by("type")).scalars()
    return [Node("ArtifactType", {"id": row["id"], "name": name}) for name in found]


def _type(context: Context, row: RowMapping, arguments: Arguments) -> Node | None:
    return next((one for one in _types(context, row) if one.value["name"] == arguments.get("name")), None)


def _versions(collection: RowMapping) -> Select[Any]:
    where = (artifact_table.c.collection_id == collection["id"], artifact_table.c.state == artifacts.COMMITTED)
    return select(artifact_table).where(*where).order_by(artifact_table.c.version.desc())


def _all_aliases(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    versions = all_rows(context.connection, select(artifact_table).where(artifact_table.c.collection_id == row["id"]))
    found = [one for version in versions for one in alias_nodes(context, version, {})]
    return connection("ArtifactAlias", found, arguments)


def _memberships(context: Context, row: RowMapping, arguments: Arguments) -> Node:
    """Where an artifact belongs: the collection that it was made in, since none is linked elsewhere here."""
    owner = artifacts.collection_of(context.connection, row)
    member = Node("ArtifactCollectionMembership", {"collection": owner, "artifact": row})
    return connection("ArtifactMembership", [member], arguments)


TYPES: Registry[Context] = {
    "ArtifactCollectionMembership": {
        "id": lambda context, row, arguments: encode_id("Membership", row["artifact"]["id"]),
        "versionIndex": lambda context, row, arguments: row["artifact"]["version"],
        "createdAt": lambda context, row, arguments: time_text(row["artifact"]["created_at"]),
        "aliases": lambda context, row, arguments: alias_nodes(context, row["artifact"], {}),
        "artifactCollection": lambda context, row, arguments: Node("ArtifactSequence", row["collection"]),
        "artifact": lambda context, row, arguments: Node("Artifact", row["artifact"]),
        "files": lambda context, row, arguments: file_page(context, row["artifact"], arguments),
    },
    "ArtifactType": {
        "id": identifier("ArtifactType"),
        "name": column("name"),
        **constants(description=None, createdAt="1970-01-01T00:00:00Z"),
        "artifactCollections": listed("ArtifactCollection", _collections_of_type, "ArtifactSequence"),
        "artifactCollection": optional("ArtifactSequence", _collection_of_type),
        "artifactSequence": optional("ArtifactSequence", _collection_of_type),
        "artifact": optional("Artifact", _artifact_of_type),
    },
    "Project": {
        "artifact": optional("Artifact", _artifact),
        "artifactCollectionMembership": optional("ArtifactCollectionMembership", _membership),
        "artifactCollection": optional("ArtifactSequence", _collection),
        "artifactCollections": listed("ArtifactCollection", _collections, "ArtifactSequence"),
        "artifactTypes": lambda context, row, arguments: connection("ArtifactType", _types(context, row), arguments),
        "artifactType": _type,
    },
    "Artifact": {"artifactMemberships": _memberships},
    "ArtifactSequence": {
        "id": identifier("ArtifactCollection"),
        **columns("name"),
        **constants(description=None, state="READY", digestAlgorithm="MANIFEST_MD5"),
        **moments(createdAt="created_at", updatedAt="created_at"),
        "project": project_of,
        "defaultArtifactType": lambda context, row, arguments: Node("ArtifactType", {"id": 0, "name": row["type"]}),
        "latestArtifact": optional("Artifact", lambda context, row, _: artifacts.latest(context.connection, row["id"])),
        "artifactMembership": optional("ArtifactCollectionMembership", _membership_by_alias),
        "artifacts": listed("VersionedArtifact", _versions, "Artifact"),
        "aliases": _all_aliases,
        "tags": lambda context, row, arguments: connection("Tag", [], arguments),
    },
    "VersionedArtifactEdge": {"version": lambda context, row, arguments: f"v{row['node'].value['version']}"},
}
